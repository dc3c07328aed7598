# A replica: copies the master's data, follows it, and copies them anew when it
# can't follow any more.
. "${SCRIPTS:-/etc/psql/scripts}/lib.sh"

# How many seconds a connection to the master may take to be established. Then it
# is given up: the next one has another port, so that what is wrong with this one
# (a service address that was translated when it led nowhere) doesn't matter.
CONNECTING=8

main() {
	prepare
	access open || true
	configure || true
	hold
	while :; do
		[ -e "$PGDATA/PG_VERSION" ] || seed
		follow
		if start; then
			supervise
		else
			# Damaged, perhaps: it is a copy, and the next one is as good.
			failures=$((${failures:-0} + 1))
			say "PostgreSQL did not start ($failures)"
			[ $failures -lt 3 ] || { say "taking a new copy"; rm -rf "$PGDATA"; failures=0; }
			pause 1
		fi
		stop fast
	done
}

# hold detaches a replica that comes back, with data, in the middle of a promotion.
hold() {
	[ -e "$PGDATA/PG_VERSION" ] && [ ! -e "$DATA/detached" ] && known=$(state) && [ -n "$known" ] || return 0
	set -- $known
	[ "$3" = active ] || echo "$1" >"$DATA/detached"
}

# genuine CONNECTION: whether the master is there. A master that has been replaced
# and doesn't know yet, or one that has lost its data, must not be followed: this
# replica may have what it hasn't.
genuine() {
	id=$(identify "$1") || return 1
	set -- $id
	if known=$(state); then
		system=$1 timeline=$2
		set -- $known
		[ $# -eq 0 ] || { [ "$3" = active ] && [ "$6" = "$system" ] && [ "$7" = "$timeline" ]; }
		return
	fi
	# Nobody to ask. Then what there is must fit.
	[ ! -e "$PGDATA/PG_VERSION" ] || {
		[ "$1" = "$(control 'Database system identifier')" ] && [ "$2" -ge "$(control "Latest checkpoint's TimeLineID")" ]
	}
}

# find_master sets FROM to a connection that leads to the master: by its name, or,
# where a service doesn't lead to its pod yet, by the address that the witness knows.
find_master() {
	genuine "$MASTER" && FROM=$MASTER && return
	known=$(state) || return 1
	set -- $known
	[ $# -gt 0 ] && [ "$8" != - ] && genuine "$MASTER hostaddr=$8" && FROM="$MASTER hostaddr=$8"
}

seed() {
	until find_master && copy "$FROM"; do
		refresh || true
		pause 1
	done
	rm -rf "$PGDATA"
	mv "$DATA/new" "$PGDATA"
	rm -f "$RUN/stale"
	say "the copy is complete"
}

# follow writes whom to follow: nobody while detached.
follow() {
	if [ -e "$DATA/detached" ]; then
		echo "primary_conninfo = ''"
	else
		echo "primary_conninfo = $(text "${FROM:-$MASTER} $REPLICATION application_name=$CLUSTER")"
	fi | put "$RUN/role.conf"
}

# receiver prints: status of the stream, process of the receiver, and whether
# messages came in the last seconds (the receiver asks for one after 5).
receiver() {
	sql <<-END
		SELECT coalesce((SELECT status FROM pg_stat_wal_receiver), 'none'),
			coalesce((SELECT min(pid) FROM pg_stat_activity WHERE backend_type = 'walreceiver'), 0)
	END
}

# supervise returns when PostgreSQL must be started anew.
supervise() {
	: >"$RUN/open"
	connecting='' process='' rest=1
	while running; do
		pause $rest
		refresh || true
		attach
		! follow || reload
		[ ! -e "$DATA/detached" ] || continue
		rest=1
		stream=$(receiver) || continue
		if [ "${stream%|*}" = streaming ]; then
			rm -f "$RUN/stale"
			# PostgreSQL notices by itself when it ends.
			connecting='' failures=0 rest=5
			continue
		fi
		# Not streaming.
		if [ "${stream#*|}" != 0 ] && [ "${stream#*|}" = "$process" ]; then
			[ $(($(uptime) - connecting)) -lt $CONNECTING ] || {
				say "giving up a connection that is not established"
				kill -TERM "$process"
				connecting=$(uptime)
			}
		else
			process=${stream#*|} connecting=${connecting:-$(uptime)}
		fi
		find_master || continue
		! follow || reload
		if [ -e "$RUN/stale" ]; then
			say "can't follow the master any more, taking a new copy"
			# The old data serve readers until the new ones are there.
			copy "$FROM" || continue
			stop fast
			rm -rf "$PGDATA"
			mv "$DATA/new" "$PGDATA"
			rm -f "$RUN/stale"
			say "the copy is complete"
			return
		fi
	done
	rm -f "$RUN/open"
}

# attach ends a detachment when there is a new master.
attach() {
	[ -e "$DATA/detached" ] && known=$(state) && [ -n "$known" ] || return 0
	set -- $known
	[ "$1" -ge "$(cat "$DATA/detached")" ] && [ "$3" = active ] || return 0
	rm -f "$DATA/detached"
	FROM=
	say "following the master of epoch $1 in $2"
}

main
