# What "hybrid postgres" runs in a pod.
#
# position      how far the data here go: system, timeline, position, address, and
#               what the master had when it was last heard of
# detach EPOCH  the same, after this replica has ceased to follow: it follows the
#               master of that epoch, or a later one, next
# retire        the master accepts no more writes; then its position
. "${SCRIPTS:-/etc/psql/scripts}/lib.sh"

position() {
	sql -F ' ' <<-END
		SELECT system_identifier,
			-- Of the newest segment: a replica's own checkpoints come later.
			(SELECT greatest(timeline_id, max(('x' || substr(name, 1, 8))::bit(32)::integer)) FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'),
			CASE WHEN pg_is_in_recovery() THEN greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) ELSE pg_current_wal_flush_lsn() END,
			$(text "$POD_IP"), coalesce((SELECT latest_end_lsn::text FROM pg_stat_wal_receiver), '-')
		FROM pg_control_system(), pg_control_checkpoint()
	END
}

# until_true QUERY
until_true() {
	tries=75
	until [ "$(echo "SELECT $1" | sql 2>/dev/null)" = t ]; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || die "not within 15 s: $1"
		sleep 0.2
	done
}

case ${1:-} in
position) position ;;
detach)
	echo "$2" >"$DATA/detached.new"
	mv "$DATA/detached.new" "$DATA/detached"
	until_true "current_setting('primary_conninfo') = '' AND NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'walreceiver')"
	position
	;;
retire)
	: >"$RUN/retire"
	tries=75
	until [ -e "$RUN/retired" ]; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || die "the master goes on after 15 s: its log says why"
		sleep 0.2
	done
	position
	;;
*) die "expected position, detach or retire, found \"${1:-}\"" ;;
esac
