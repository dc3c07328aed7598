# Copies the leader's database to this pod, for Patroni, whose own way doesn't compress:
# between clouds the network is slow, and costs.
#
# copy.sh [--no-sync] --datadir=FOLDER --connstring=LEADER, and what else Patroni says
set -u

sync=
for option; do
	case $option in
	--datadir=*) datadir=${option#*=} ;;
	--connstring=*) leader=${option#*=} ;;
	--no-sync) sync=$option ;;
	esac
done
# The leader gives up a standby that is silent for some seconds. One that receives a
# whole database may be.
export PGOPTIONS='-c wal_sender_timeout=60s'
exec pg_basebackup --pgdata="$datadir" --dbname="$leader" --wal-method=stream --checkpoint=fast \
	--compress=server-zstd:1 --no-manifest ${sync:+"$sync"}
