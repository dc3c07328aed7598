# PostgreSQL's server, as Patroni starts it. A member that ended right before its promotion may
# still have the histories of timelines that it was to pass over (timeline.py): where they are
# the newest it would wait for these timelines, or not start.
set -u

passed() {
	for newest in "${ROOT:-}"/var/lib/psql/data/pg_wal/*.history; do :; done
	tail -n 1 "$newest" 2>/dev/null | grep -q 'another member has begun it$'
}

while passed; do rm "$newest"; done
exec postgres "$@"
