# The master. It accepts writes only while it can know that no other has been
# promoted: see "votes". See docs/postgres.md for the whole of it.
. "${SCRIPTS:-/etc/psql/scripts}/lib.sh"

# Seconds without a vote until writes end. A promotion waits for longer than this
# and what it takes to notice: see control.sh.
: "${FENCE:=15}"
# Nothing that happens in between may take long.
PATIENCE=2

main() {
	prepare
	access closed || true
	configure || true
	while :; do
		begin
		supervise
		stop fast
		pause 2
	done
}

# mine is the epoch of the data here, 0 without any.
mine() { [ -e "$PGDATA/PG_VERSION" ] && cat "$DATA/epoch" 2>/dev/null || echo 0; }

# begin returns when PostgreSQL runs, closed, with the data of this epoch.
begin() {
	told=
	until ready; do
		refresh || true
		pause 1
	done
}

# tell says it once.
tell() {
	[ "$told" = "$*" ] || say "$*"
	told=$*
}

ready() {
	have=$(mine)
	if ! known=$(state); then
		if [ "$have" = 0 ]; then
			tell "waiting for the witness, which knows whether there is a database already: $(head -n 1 "$RUN/witness.log")"
			return 1
		fi
		# Somebody's vote may come without the witness.
		serve
		return
	fi
	set -- $known
	if [ $# -eq 0 ]; then
		[ "$have" != 0 ] || { initialize && echo 1 >"$DATA/epoch"; }
		serve
	elif [ "$2" != "$CLUSTER" ] && [ "$1" -ge "$have" ]; then
		tell "the master is $2's, of epoch $1: to have it here, run \"hybrid postgres promote --cluster $CLUSTER\""
		return 1
	elif [ "$1" -le "$have" ]; then
		serve
	elif [ "$3" = handover ]; then
		[ "$4" != - ] || { tell "waiting for the promotion to choose a replica"; return 1; }
		handover "$1" "$4" "$5"
	else
		tell "the data of epoch $1 are not here, this is epoch $have: run \"hybrid postgres promote --cluster $CLUSTER\" to take them from a replica"
		return 1
	fi
}

# serve starts what is here.
serve() {
	rm -f "$PGDATA/standby.signal"
	synchronous || true
	restrict closed || true
	start || return 1
	roles || { stop fast; return 1; }
}

# handover EPOCH SEED POSITION: takes the data of a replica, up to a position, and
# goes on from there.
handover() {
	from="$REPLICA hostaddr=$2"
	tell "taking the data from $2, up to $3"
	copy "$from" || return 1
	rm -rf "$PGDATA"
	mv "$DATA/new" "$PGDATA"
	rm -f "$DATA/epoch"
	echo "primary_conninfo = $(text "$from $REPLICATION application_name=handover")" >"$RUN/role.conf"
	start || return 1
	tries=600
	until reached=$(echo "SELECT greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) >= $(text "$3") AND pg_is_in_recovery()" | sql) && [ "$reached" = t ]; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] && running || { stop fast; tell "$2 did not give its data up to $3"; return 1; }
		pause 0.5
	done
	echo "SELECT pg_promote(true, 60)" | PATIENCE=65 sql | grep -q t || { stop fast; return 1; }
	echo "CHECKPOINT" | PATIENCE=300 sql # so that replicas see the new timeline at once
	echo "$1" >"$DATA/epoch"
	sync
	synchronous || true
	restrict closed || true
	reload
	roles
}

# synchronous writes for whom commits wait. Fails if it is as it was.
synchronous() { echo "synchronous_standby_names = $(text "$(cat "$SETTINGS/synchronous" 2>/dev/null)")" | put "$RUN/synchronous.conf"; }

# restrict open|closed writes what PostgreSQL must know of it.
restrict() {
	changed=1
	access "$1" && changed=0
	{
		cat "$RUN/synchronous.conf"
		[ "$1" = open ] || echo "default_transaction_read_only = on"
	} | put "$RUN/role.conf" && changed=0
	return $changed
}

# votes: "yes" if the witness says that this is the master, or if a replica of
# another cluster follows it (a promotion detaches those before it counts on them);
# "no" if somebody else is; nothing if nobody can tell.
votes() {
	epoch=$(mine)
	about=$(echo "SELECT system_identifier, ('x' || substr(pg_walfile_name(now), 1, 8))::bit(32)::integer, now FROM pg_control_system(), pg_current_wal_flush_lsn() now" | sql -F ' ') || return
	set -- $about
	known=$(
		witness postgres <<-END
			INSERT INTO state AS s (epoch, cluster, phase, system, timeline, address, flushed, seen)
			VALUES ($epoch, $(text "$CLUSTER"), 'active', $(text "$1"), $2, $(text "$POD_IP"), $(text "$3"), now())
			ON CONFLICT (one) DO UPDATE SET epoch = excluded.epoch, cluster = excluded.cluster, phase = 'active', seed = NULL, position = NULL,
				system = excluded.system, timeline = excluded.timeline, address = excluded.address, flushed = excluded.flushed, seen = excluded.seen
			WHERE s.epoch < excluded.epoch OR s.epoch = excluded.epoch AND s.cluster = excluded.cluster;
			SELECT epoch, cluster FROM state;
		END
	) || known=
	case $known in
	"$epoch|$CLUSTER") echo yes; return ;;
	?*) echo no; return ;;
	esac
	followers=$(echo "SELECT pid, reply_time FROM pg_stat_replication WHERE state = 'streaming' AND application_name NOT IN ($(text "$CLUSTER"), 'handover') ORDER BY 1" | sql | tr '\n' ' ')
	# Not that they are there, but that they have said something since.
	[ -z "$followers" ] || [ "$followers" = "$(cat "$RUN/followers" 2>/dev/null)" ] || echo yes
	printf %s "$followers" >"$RUN/followers"
}

# supervise returns when this is not the master, or PostgreSQL has ended.
supervise() {
	last=-$FENCE writes=closed
	rm -f "$RUN/open"
	while running; do
		before=$(uptime)
		vote=$(votes)
		[ ! -e "$RUN/retire" ] || vote=retired
		case $vote in
		yes)
			last=$before
			[ $writes = open ] || open
			;;
		no)
			say "another master has been promoted: ending"
			break
			;;
		retired)
			[ $writes = closed ] || close "it is to be succeeded"
			! drop || : >"$RUN/retired"
			;;
		*) [ $writes = closed ] || [ $((before - last)) -lt "$FENCE" ] || close "neither the witness nor a replica of another cluster has been seen for $FENCE s" ;;
		esac
		[ $writes = open ] || drop
		renew
		! synchronous || ! restrict $writes || reload
		pause 2
	done
	rm -f "$RUN/open"
	access closed || true
}

open() {
	restrict open
	reload
	writes=open
	: >"$RUN/open"
	say "accepting writes"
}

# close ends writes: no new sessions, and the old ones are ended. A commit that
# still waits for a replica is not confirmed to its client then.
close() {
	say "no more writes: $1"
	rm -f "$RUN/open"
	writes=closed
	restrict closed
	reload
	drop || stop immediate
}

# drop ends every session. Those that came just before the doors closed appear
# late, so this is repeated while they are closed.
drop() {
	tries=2
	until [ "$(echo "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE backend_type = 'client backend' AND application_name <> 'supervisor'" | sql)" = 0 ]; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		sleep 0.2
	done
}

main
