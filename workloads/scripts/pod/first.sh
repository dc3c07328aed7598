# Patroni's command to make an empty database. It refuses while any member has one
# already: etcd may have lost what it knew.
set -u
pg_isready -q -t 3 -h psql-members
case $? in
0 | 1) echo "a member has a database: no empty one is made" >&2 && exit 1 ;;
esac
# Small segments: each copy of the database ends the current one, padded.
exec initdb -D /var/lib/psql/data -U postgres -E UTF8 --locale=C --data-checksums --wal-segsize=4 --auth-local=peer --auth-host=scram-sha-256
