# PostgreSQL's pg_rewind, as Patroni calls it. Where commits don't wait for replicas, those
# that a former leader had confirmed and its successor doesn't have go by it. How many that
# are is kept in a file, and `hybrid postgres status` says so.
set -u
data=${ROOT:-}/var/lib/psql/data
if [ "$1" != --help ] && grep -q '"synchronous_mode": *false' "$data/patroni.dynamic.json" 2>/dev/null; then
	# 0/3000060 1: where the two went different ways, and in which timeline.
	at=$(pg_rewind --dry-run "$@" 2>&1 | sed -n 's/.*diverged at WAL location \([0-9A-F/]*\) on timeline \([0-9]*\).*/\1 \2/p')
	# It ends with an error, where the log does.
	lost=$([ -z "$at" ] || pg_waldump -p "$data/pg_wal" -s "${at% *}" -t "${at#* }" -r Transaction 2>/dev/null | sed -n 's/.* COMMIT \([-0-9]* [0-9:]*\)[0-9.]*\( [A-Z]*\).*/\1\2/p')
	if [ -n "$lost" ]; then
		printf '{"commits": %d, "first": "%s", "last": "%s"}\n' "$(printf '%s\n' "$lost" | wc -l)" \
			"$(printf '%s\n' "$lost" | head -n 1)" "$(printf '%s\n' "$lost" | tail -n 1)" >"$data/../lost.new"
		mv "$data/../lost.new" "$data/../lost.json"
	fi
fi
exec pg_rewind "$@"
