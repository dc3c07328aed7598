# Has a copy thrown away, and made once more, that can't become whole. After pg_rewind it
# needs all that its source had: if that one is lost with what no other has, PostgreSQL
# waits for ever, lets no client in, and Patroni waits with it. One that was away for too long
# asks again and again for what the leader has removed.
#
# heal.sh PID: as long as Patroni's process runs.
set -u

main() {
	before='' looks=0
	while kill -0 "$1" 2>/dev/null; do
		sleep 5
		pg_isready -q
		case $? in
		0) now=$(lacks) ;;
		1) now=$(replays) ;; # it answers, and refuses
		*) now= ;;
		esac
		[ -n "$now" ] && [ "$now" = "$before" ] || looks=0
		before=$now looks=$((looks + 1))
		if [ -n "$now" ] && [ $looks -gt 6 ]; then
			echo "this copy waits for what no member has, at $now: a new one is made"
			# Where there is no leader to copy, this is refused, and tried again.
			if timeout 60 patronictl reinit psql "$PATRONI_NAME" --force; then looks=0; fi
		fi
	done
}

# replays prints the segment of the log at which the server is while it starts: it is in the
# title of a process. One segment takes it no time.
replays() { cat "${ROOT:-}"/proc/[0-9]*/cmdline 2>/dev/null | tr '\0' '\n' | sed -n 's/^postgres: .*startup.* \([0-9A-F]\{24\}\).*/\1/p'; }

# lacks prints where a replica is that doesn't stream, though its leader answers it.
lacks() {
	leader=$(ask "SELECT setting FROM pg_settings WHERE name = 'primary_conninfo' AND pg_is_in_recovery()
		AND NOT EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming')")
	[ -n "$leader" ] && psql -Xq "$leader replication=true application_name=heal" -c IDENTIFY_SYSTEM >/dev/null 2>&1 &&
		ask 'SELECT pg_last_wal_replay_lsn()'
}

ask() { psql -XAtq -U postgres -c "$1" 2>/dev/null; }

main "$@"
