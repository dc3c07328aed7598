# PostgreSQL's restore_command: a member that is far behind takes the log from the bucket.
# One that can't be reached must not keep it from following its leader.
set -u
away=/tmp/bucket-away
[ -e /etc/psql/backup/pgbackrest.conf ] || exit 1
[ "$(date +%s)" -ge "$(cat $away 2>/dev/null || echo 0)" ] || exit 1
timeout 10 pgbackrest --config=/etc/psql/backup/pgbackrest.conf --stanza=psql archive-get "$1" "$2"
case $? in
0) exit 0 ;;
1) exit 1 ;; # the bucket doesn't have it
esac
echo $(($(date +%s) + 60)) >$away
exit 1
