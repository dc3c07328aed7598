# Patroni's command to make the database: an empty one, or that of a bucket. It refuses
# while any member has one already: etcd may have lost what it knew.
set -u
etc=${ETC:-/etc/psql} data=/var/lib/psql/data
pg_isready -q -t 3 -h psql-members
case $? in
0 | 1) echo "a member has a database: no other one is made" >&2 && exit 1 ;;
esac
if [ -s "$etc/config/restore-from" ]; then
	# How to enter the bucket may come after the pod has started.
	until [ -e "$etc/backup/restore.conf" ]; do sleep 1; done
	to=$(cat "$etc/backup/restore-to")
	set -- --type=default
	[ "$to" = latest ] || set -- --type=time --target="$to" --target-action=promote
	exec pgbackrest --config="$etc/backup/restore.conf" --stanza=psql "$@" restore
fi
# Small segments: a server that stops ends the current one, padded, and waits until all
# replicas have it, over the mesh. So does each copy of the database, and each minute with
# backups.
exec initdb -D $data -U postgres -E UTF8 --locale=C --data-checksums --wal-segsize=1 --auth-local=peer --auth-host=scram-sha-256
