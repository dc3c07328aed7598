# PostgreSQL's pg_ctl, as Patroni calls it. Patroni looks once a second whether a promotion
# is complete, and lets no client write before: when this ends it mostly is.
set -u
pg_ctl "$@" || exit
[ "$1" = promote ] || exit 0
tries=20
until LC_ALL=C pg_controldata -D "${ROOT:-}/var/lib/psql/data" | grep -q '^Database cluster state: *in production$' || [ $tries = 0 ]; do
	sleep 0.1
	tries=$((tries - 1))
done
