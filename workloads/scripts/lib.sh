# What master, replicas and witness have in common. Their scripts source it.
#
# Works with every PostgreSQL from 13 on, whatever its image: nothing but its own
# programs, a POSIX shell and coreutils is needed. What the pod gives:
#
# NODE      the node's name, <cluster>-<number>
# POD_IP    the pod's address
# POD_CIDR  the addresses of all clusters' pods
# and files: SECRETS/{postgres,replication}, TLS/{ca.crt,tls.crt,tls.key},
# SETTINGS/{parameters,synchronous,...}.
set -u
umask 077
export LC_ALL=C
unset PGHOST PGHOSTADDR PGUSER PGPASSWORD PGDATABASE PGOPTIONS PGSERVICE

: "${SCRIPTS:=/etc/psql/scripts}" "${SECRETS:=/etc/psql/secrets}" "${TLS:=/etc/psql/tls}" "${SETTINGS:=/etc/psql/settings}"
: "${DATA:=/var/lib/psql}" "${RUN:=/run/psql}" "${SOCKETS:=/var/run/postgresql}" "${LISTEN:=*}" "${PORT:=5432}"
# Where others are. Tests add addresses.
: "${MASTER:=host=psql-master}" "${REPLICA:=host=psql-replica}" "${WITNESS:=host=psql-witness}"
CLUSTER=${NODE%-*}
export PGDATA="$DATA/pgdata" PGPASSFILE="$RUN/pass" PGPORT="$PORT"

# Debian's packages don't put servers on the path.
for dir in /usr/lib/postgresql/*/bin; do
	[ ! -x "$dir/postgres" ] || PATH=$PATH:$dir
done

# What every connection needs: whoever can't prove to be one of ours gets no
# password, and nobody waits for a peer that is gone.
SECURE="port=$PORT sslmode=verify-full sslrootcert=$TLS/ca.crt channel_binding=require gssencmode=disable passfile=$RUN/pass connect_timeout=5 tcp_user_timeout=10000 keepalives_idle=5 keepalives_interval=3 keepalives_count=3"
REPLICATION="user=replicator dbname=postgres $SECURE"

say() { printf '%s %s\n' "$(date -u +%FT%TZ)" "$*" >&2; }
die() { say "$*"; exit 1; }

# uptime counts seconds, whatever happens to the clock.
uptime() { read -r up _ </proc/uptime && echo "${up%.*}"; }

# pause sleeps, and ends early on a signal.
pause() {
	sleep "$1" &
	wait $! || true
}

# put FILE: standard input becomes the file, all or nothing. Says whether it has
# changed.
put() {
	cat >"$1.new"
	! cmp -s "$1.new" "$1" || return 1
	mv "$1.new" "$1"
}

# escaped FILE: a password as the password file wants it.
escaped() { sed 's/[\\:]/\\&/g' "$1"; }

# passwords writes the password file. Fails if it is as it was.
passwords() {
	{
		printf '*:*:*:replicator:%s\n' "$(escaped "$SECRETS/replication")"
		[ ! -e "$SECRETS/postgres" ] || printf '*:*:*:postgres:%s\n' "$(escaped "$SECRETS/postgres")"
	} | put "$RUN/pass"
}

# text quotes for SQL and configuration files.
text() { printf "'%s'" "$(printf %s "$1" | sed "s/'/''/g")"; }

# access says who may connect. "closed" is the master that may not accept writes:
# replicas keep following it, everybody else is kept out.
access() {
	{
		# Who can read the socket's folder is inside this pod.
		echo "local all postgres peer map=owner"
		echo "hostssl replication replicator $POD_CIDR scram-sha-256"
		case $1 in
		open)
			echo "host all replicator all reject"
			echo "hostssl all all $POD_CIDR scram-sha-256"
			;;
		witness) echo "hostssl postgres postgres,replicator $POD_CIDR scram-sha-256" ;;
		esac
	} | put "$RUN/hba.conf"
}

# configure writes PostgreSQL's configuration, as the command line and
# postgresql.auto.conf can only add to it.
configure() {
	echo "owner $(id -un) postgres" | put "$RUN/ident.conf"
	{
		# The stack's own first: what follows must be as it is.
		cat "$SETTINGS/parameters" 2>/dev/null
		cat <<-END
			listen_addresses = $(text "$LISTEN")
			port = $PORT
			unix_socket_directories = $(text "$SOCKETS")
			hba_file = $(text "$RUN/hba.conf")
			ident_file = $(text "$RUN/ident.conf")
			ssl = on
			ssl_cert_file = $(text "$TLS/tls.crt")
			ssl_key_file = $(text "$TLS/tls.key")
			ssl_min_protocol_version = 'TLSv1.2'
			password_encryption = 'scram-sha-256'
			# Errors would otherwise show statements, and some have passwords.
			log_min_error_statement = panic
			log_line_prefix = '%m [%p] '
			log_timezone = 'UTC'
			lc_messages = 'C'
			logging_collector = off
			cluster_name = $(text "$CLUSTER")
			wal_level = replica
			hot_standby = on
			recovery_target_timeline = 'latest'
			# A peer that is gone without a word is noticed in seconds. Replicas report
			# so often that the master knows who is there.
			wal_receiver_timeout = 10s
			wal_receiver_status_interval = 2s
			wal_retrieve_retry_interval = 1s
			wal_sender_timeout = 20s
			tcp_keepalives_idle = 10
			tcp_keepalives_interval = 5
			tcp_keepalives_count = 3
			include = $(text "$RUN/role.conf")
		END
	} | put "$RUN/postgresql.conf"
}

# sql runs standard input in the pod's own server. It never waits for replicas.
sql() {
	PGOPTIONS="-c synchronous_commit=local -c default_transaction_read_only=off -c statement_timeout=${PATIENCE:-3}s" \
		timeout "$((${PATIENCE:-3} + 1))" psql -X -q -A -t -v ON_ERROR_STOP=1 "$@" "host=$SOCKETS user=postgres dbname=postgres application_name=supervisor"
}

# witness USER: runs standard input in the witness.
witness() { timeout 4 psql -X -q -A -t -v ON_ERROR_STOP=1 "$WITNESS user=$1 dbname=postgres $SECURE connect_timeout=3" 2>"$RUN/witness.log"; }

# state asks the witness who is master. Empty without one; fails if the witness
# does not answer. Words: epoch cluster phase seed position system timeline address.
state() {
	witness replicator <<-END
		SELECT concat_ws(' ', epoch, cluster, phase, coalesce(seed, '-'), coalesce(position::text, '-'), coalesce(system, '-'), coalesce(timeline::text, '-'), coalesce(address, '-')) FROM state
	END
}

# identify CONNECTION: who answers there: system, timeline, position.
identify() {
	timeout 6 psql -X -q -A -t -F ' ' "$1 $REPLICATION replication=1" -c IDENTIFY_SYSTEM 2>"$RUN/identify.log" | cut -d ' ' -f 1-3 | grep .
}

# control NAME: a line of pg_controldata.
control() { pg_controldata "$PGDATA" 2>/dev/null | sed -n "s/^$1: *//p"; }

running() { [ -n "${PID:-}" ] && kill -0 "$PID" 2>/dev/null; }

# start starts PostgreSQL and waits until it answers; recovery may take its time.
start() {
	chmod 700 "$PGDATA"
	major=$(cut -d . -f 1 "$PGDATA/PG_VERSION")
	postgres -V | grep -q ") $major\\b" || die "the data are of PostgreSQL $major, this is $(postgres -V): give it an image of that version, or upgrade the data by pg_upgrade"
	rm -f "$RUN/log"
	mkfifo "$RUN/log"
	watch <"$RUN/log" &
	postgres -c "config_file=$RUN/postgresql.conf" 2>"$RUN/log" &
	PID=$!
	until pg_isready -q -h "$SOCKETS"; do
		running || return 1
		pause 0.2
	done
}

# watch passes the log on. Some of its lines say that a replica can't go on with
# what it has; the texts have been the same since PostgreSQL 9.
watch() {
	while IFS= read -r line; do
		printf '%s\n' "$line" >&2
		case $line in
		*"requested WAL segment "*" has already been removed"* | *"is not in this server's history"* | \
			*"is ahead of the WAL flush position"* | *"forked off current database system timeline"* | \
			*"database system identifier differs"* | *"is behind recovery timeline"*)
			: >"$RUN/stale"
			;;
		esac
	done
}

# stop MODE: fast, or immediate.
stop() {
	running || return 0
	pg_ctl stop -s -w -t 20 -m "$1" || { pg_ctl stop -s -w -t 5 -m immediate || kill -9 "$PID"; }
	wait "$PID" 2>/dev/null
	PID=
}

reload() { running && kill -HUP "$PID"; }

# refresh follows what Kubernetes has changed: certificates, parameters, passwords.
# Fails unless passwords have. It looks every 30 s; Kubernetes takes a minute.
refresh() {
	now=$(uptime)
	[ "$now" -ge "${refreshed:-0}" ] || return 1
	refreshed=$((now + ${REFRESH:-30}))
	cksum "$TLS"/*.* | put "$RUN/certificates" && reload
	configure && reload
	passwords
}

# roles gives roles their passwords. They go over standard input only, and never
# into the log.
roles() {
	PATIENCE=10 sql <<-END
		SET log_statement = 'none'; SET log_min_duration_statement = -1; SET password_encryption = 'scram-sha-256';
		\\set postgres \`cat "$SECRETS/postgres"\`
		\\set replication \`cat "$SECRETS/replication"\`
		SELECT 'CREATE ROLE replicator REPLICATION LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'replicator') \\gexec
		ALTER ROLE postgres PASSWORD :'postgres';
		ALTER ROLE replicator REPLICATION LOGIN PASSWORD :'replication';
	END
}

# renew is refresh for servers with roles of their own. What fails is owed.
renew() {
	! refresh || owed=yes
	[ -z "${owed:-}" ] || { roles && owed=; }
}

# initialize makes an empty database. Small WAL segments: each base backup forces
# a switch to the next one, padded.
initialize() {
	say "making an empty database"
	rm -rf "$DATA/new"
	# shellcheck disable=SC2046 # none, or one
	initdb -D "$DATA/new" -U postgres -E UTF8 --locale=C --auth-local=peer --auth-host=scram-sha-256 --wal-segsize=4 $(unsafe) >"$RUN/initdb.log" 2>&1 ||
		die "initdb failed: $(tail -n 5 "$RUN/initdb.log")"
	mv "$DATA/new" "$PGDATA"
}

# unsafe is the flag for programs that need not wait for the disk either.
unsafe() { ! grep -q '^ *fsync *= *'"'*off'*" "$SETTINGS/parameters" 2>/dev/null || echo --no-sync; }

# copy CONNECTION: a base backup, with all the WAL that it needs, in $DATA/new.
copy() {
	rm -rf "$DATA/new"
	compress=
	! pg_basebackup --help | grep -qF 'client|server' || compress=--compress=server-zstd:1
	# shellcheck disable=SC2046 # none, or one
	pg_basebackup -d "$1 $REPLICATION" -D "$DATA/new" -c fast -X stream --no-manifest $compress $(unsafe) 2>"$RUN/backup.log" || {
		say "the base backup failed: $(tail -n 3 "$RUN/backup.log")"
		return 1
	}
	: >"$DATA/new/postgresql.auto.conf" # the master's
	: >"$DATA/new/standby.signal"
}

# prepare makes what every role needs before PostgreSQL starts.
prepare() {
	mkdir -p "$RUN" "$DATA"
	rm -f "$RUN/open" "$RUN/stale" "$RUN/retire" "$RUN/retired"
	: >>"$RUN/role.conf"
	trap 'say "ending"; stop fast; exit 0' TERM INT
	passwords || true
	cksum "$TLS"/*.* | put "$RUN/certificates" || true
}
