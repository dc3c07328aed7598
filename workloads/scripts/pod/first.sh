# Patroni's command to make the database: an empty one, or that of a bucket. It refuses
# while any member has one already: etcd may have lost what it knew.
set -u
pg_isready -q -t 3 -h psql-members
case $? in
0 | 1) echo "a member has a database: no other one is made" >&2 && exit 1 ;;
esac
from=/etc/psql/backup/restore.conf
if [ -e $from ]; then
	to=$(cat /etc/psql/backup/restore-to)
	set -- --type=default
	[ "$to" = latest ] || set -- --type=time --target="$to" --target-action=promote
	exec pgbackrest --config=$from --stanza=psql --no-archive-async "$@" restore
fi
# Small segments: each copy of the database ends the current one, padded.
exec initdb -D /var/lib/psql/data -U postgres -E UTF8 --locale=C --data-checksums --wal-segsize=4 --auth-local=peer --auth-host=scram-sha-256
