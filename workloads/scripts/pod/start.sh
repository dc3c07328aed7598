# Patroni, and what it leaves to others: it reads renewed files only when it is told
# to, and never changes a password.
#
# NODE       the node's name, <cluster>-<number>
# BOOTSTRAP  set where an empty database may be made
set -u
umask 077

config=/etc/psql/config
folder=/run/psql/patroni # what Patroni reads, and merges

main() {
	cluster=${NODE%-*}
	mkdir -p "$folder"
	ln -sf $config/common.yml "$folder/10-common.yml"
	ln -sf $config/stack.yml "$folder/20-stack.yml"
	# Once there has been a database, an empty one is never right.
	if [ -n "${BOOTSTRAP:-}" ] && [ ! -e /etc/psql/initialized/system ]; then
		ln -sf $config/bootstrap.yml "$folder/30-bootstrap.yml"
	fi
	# Of replicas with the same data one in the master's cluster leads next.
	priority=1
	[ "$cluster" != "$(cat $config/master)" ] || priority=2
	# A ConfigMap's files are no programs.
	for name in ctl rewind server; do
		printf '#!/bin/sh\nexec sh /etc/psql/scripts/%s.sh "$@"\n' $name >/run/psql/pg_$name
		chmod +x /run/psql/pg_$name
	done
	cat >"$folder/40-pod.yml" <<-END
		tags: {cloud: $cluster, failover_priority: $priority}
		postgresql: {bin_name: {pg_ctl: /run/psql/pg_ctl, pg_rewind: /run/psql/pg_rewind, postgres: /run/psql/pg_server}, pre_promote: python3 -IS /etc/psql/scripts/timeline.py $PATRONI_NAME}
	END

	# What pg_rewind, a copy or Patroni asks of a member that is then cut off has no end by
	# itself. libpq takes from here what a connection leaves open. 30 s, for a network that
	# carries a copy is slow.
	printf '[psql]\nconnect_timeout=30\nkeepalives_idle=10\nkeepalives_interval=5\nkeepalives_count=4\ntcp_user_timeout=30000\n' >/run/psql/service.conf
	export PGSERVICE=psql PGSERVICEFILE=/run/psql/service.conf

	patroni "$folder" &
	pid=$!
	trap 'kill -TERM $pid' TERM INT
	renew &
	apart &
	sh /etc/psql/scripts/heal.sh $pid &
	sh /etc/psql/scripts/wake.sh $pid &
	python3 -IS /etc/psql/scripts/fence.py $pid &
	python3 /etc/psql/scripts/backup.py &
	# A signal ends the wait, and not Patroni.
	while kill -0 $pid 2>/dev/null; do wait $pid; done
}

# renew follows what Kubernetes renews: certificates, settings, the password.
renew() {
	seen=$(files)
	set=
	while kill -0 $pid 2>/dev/null; do
		sleep 5
		now=$(files)
		[ "$now" = "$seen" ] || { kill -HUP $pid && seen=$now; }
		password
	done
}

files() { cat /etc/psql/*/* 2>/dev/null | cksum; }

leads() { [ "$(psql -XAtq -U postgres -c 'SELECT pg_is_in_recovery()' 2>/dev/null)" = f ]; }

# apart sees to it that one cloud doesn't have both leaders, PostgreSQL's and etcd's, and
# that Patroni believes etcd. The latter may be why there is no leader.
apart() {
	looks=0
	while kill -0 $pid 2>/dev/null; do
		sleep 10
		looks=$(((looks + 1) % 6))
		if leads; then
			python3 -IS /etc/psql/scripts/apart.py leader
		elif [ $looks = 0 ]; then
			python3 -IS /etc/psql/scripts/apart.py
		fi
	done
}

# password sets the superuser's, where this is the leader and it hasn't yet.
password() {
	leads || { set=; return; }
	want=$(cksum </etc/psql/password/postgres)
	[ "$set" = "$want" ] || psql -Xq -v ON_ERROR_STOP=1 -U postgres <<-'END' && set=$want
		SET log_statement = 'none'; SET log_min_duration_statement = -1; SET log_min_error_statement = 'panic';
		SET synchronous_commit = 'local';
		\set password `cat /etc/psql/password/postgres`
		ALTER ROLE postgres PASSWORD :'password';
	END
}

main
