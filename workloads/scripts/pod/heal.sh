# Has a copy thrown away, and made once more, that can't become whole. After pg_rewind it
# needs all that its source had. If that one is lost with what no other has, PostgreSQL
# waits for ever, lets no client in, and Patroni waits with it.
#
# heal.sh PID: as long as Patroni's process runs.
set -u

main() {
	before='' looks=0
	while kill -0 "$1" 2>/dev/null; do
		sleep 5
		pg_isready -q
		# It answers, and refuses. What it replays is in the title of a process: one
		# segment of the log takes it no time.
		[ $? = 1 ] && now=$(replays) || now=
		[ -n "$now" ] && [ "$now" = "$before" ] || looks=0
		before=$now looks=$((looks + 1))
		if [ -n "$now" ] && [ $looks -gt 6 ]; then
			echo "this copy waits for what no member has, at $now: a new one is made"
			# Where there is no leader to copy, this is refused, and tried again.
			if timeout 60 patronictl reinit psql "$PATRONI_NAME" --force; then looks=0; fi
		fi
	done
}

# replays prints the segment of the log at which the server is while it starts.
replays() { cat "${ROOT:-}"/proc/[0-9]*/cmdline 2>/dev/null | tr '\0' '\n' | sed -n 's/^postgres: .*startup.* \([0-9A-F]\{24\}\).*/\1/p'; }

main "$@"
