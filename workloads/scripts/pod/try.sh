# Starts a server of its own with the parameters of standard input, and says what is
# wrong with them: what a running server is given must never keep it from restarting.
set -u
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
# A database keeps the segments that it was made with, and what some parameters may be
# depends on them.
segment=$(LC_ALL=C pg_controldata -D "${ROOT:-}/var/lib/psql/data" 2>/dev/null | sed -n 's/^Bytes per WAL segment: *//p')
initdb -D "$dir/data" -U postgres --locale=C --wal-segsize=$((${segment:-1048576} >> 20)) --no-sync --no-instructions >"$dir/log" 2>&1 || { cat "$dir/log" >&2; exit 1; }
cat >>"$dir/data/postgresql.conf"
if pg_ctl -D "$dir/data" -w -t 60 -l "$dir/server" -o "-h '' -k $dir -p 5432" start >"$dir/log" 2>&1; then
	pg_ctl -D "$dir/data" -m immediate stop >/dev/null
	exit
fi
said=$(sed -n 's/^.*\(FATAL\|ERROR\|LOG\|HINT\|DETAIL\): *//p' "$dir/server" | sed "s, in file \".*line [0-9]*,," | grep -v -e "shut down" -e "contains errors")
printf '%s\n' "${said:-$(cat "$dir/server")}" >&2
exit 1
