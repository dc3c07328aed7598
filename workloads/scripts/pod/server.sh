# PostgreSQL's server, as Patroni starts it. A member that ended right before its promotion may
# still have the histories of timelines that it was to pass over (timeline.py): where they are
# the newest it would wait for these timelines, or not start.
set -u

log=${ROOT:-}/var/lib/psql/data/pg_wal
while newest=$(ls "$log" 2>/dev/null | grep -x '[0-9A-F]\{8\}\.history' | tail -n 1) && [ -n "$newest" ] &&
	tail -n 1 "$log/$newest" | grep -q 'another member has begun it$'; do
	rm "$log/$newest"
done
exec postgres "$@"
