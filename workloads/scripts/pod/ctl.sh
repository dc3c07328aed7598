# PostgreSQL's pg_ctl, as Patroni calls it. Patroni checks once a second whether a promotion
# is complete, and does nothing else meanwhile: when this ends it mostly is. Then Patroni
# decides which replicas commits wait for. If none follows yet, commits wait for those that
# were there before, lost ones included, for up to two loop_waits. So this waits for the first.
set -u

main() {
	pg_ctl "$@" || exit
	if [ "$1" = promote ]; then
		within 2 promoted
		within 2 followed
	fi
}

promoted() { LC_ALL=C pg_controldata -D "${ROOT:-}/var/lib/psql/data" | grep -q '^Database cluster state: *in production$'; }

followed() {
	[ "$(psql -XAtq -U postgres -c "SELECT current_setting('synchronous_standby_names') = '' OR EXISTS (SELECT FROM pg_stat_replication WHERE flush_lsn IS NOT NULL)" 2>/dev/null)" = t ]
}

# within SECONDS COMMAND: it needn't succeed.
within() {
	tries=$(($1 * 10))
	shift
	until "$@" || [ $tries = 0 ]; do
		sleep 0.1
		tries=$((tries - 1))
	done
}

main "$@"
