# PostgreSQL's archive_command: sends a segment of the log to the bucket, if there is one.
# Of more than the settings allow to wait the oldest are dropped, so that the disk doesn't fill
# up. backup.py notices the gap, and makes a backup. pgBackRest's own bound is looked at
# between two attempts only, and one takes minutes when the bucket is silent.
set -u
backup=${ETC:-/etc/psql}/backup segment=$1
[ -e "$backup/pgbackrest.conf" ] || exit 0
set -- pg_wal/archive_status/*.ready
if [ $(($# * $(wc -c <"$segment") / 1048576)) -gt "$(cat "$backup/max-wal")" ]; then
	echo "more waits for the bucket than maxWal allows: $segment is dropped" >&2
	exit 0
fi
exec pgbackrest --config="$backup/pgbackrest.conf" --stanza=psql archive-push "$segment"
