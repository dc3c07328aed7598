# PostgreSQL's archive_command: sends a segment of the log to the bucket, if there is one.
# What waits for longer than the settings allow for is dropped, so that the disk doesn't
# fill up: then only a new backup has all again, see backup.py.
set -u
[ -e /etc/psql/backup/pgbackrest.conf ] || exit 0
said=$(pgbackrest --config=/etc/psql/backup/pgbackrest.conf --stanza=psql archive-push "$1" 2>&1)
status=$?
[ -z "$said" ] || printf '%s\n' "$said" >&2
case $said in *"dropped WAL"*) : >/var/lib/psql/dropped ;; esac
exit $status
