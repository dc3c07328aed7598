# Waits until the master accepts writes, and as many replicas of each cluster follow
# it as there are to be. Runs on the control plane of the master's cluster.
#
# MASTER       the master's cluster
# WANT         lines of a cluster and its number of replicas
# SYNCHRONOUS  PostgreSQL's synchronous_standby_names
kube() { kubectl --kubeconfig /etc/kubernetes/admin.conf --request-timeout 20s -n default "$@"; }

main() {
	tries=200
	# Kubernetes knows when it accepts writes.
	until kube wait --for=condition=Ready pod/psql-master-0 --timeout=15s >/dev/null 2>&1; do
		tries=$((tries - 15))
		[ $tries -gt 0 ] || give_up "the master does not accept writes"
		# Where the pod isn't there yet, kubectl doesn't wait.
		sleep 1
	done
	tries=150
	until missing=$(problems) && [ -z "$missing" ]; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || give_up "$missing"
		sleep 1
	done
}

# problems prints one line for each thing that is missing.
problems() {
	found=$(kube exec psql-master-0 -c postgres -- psql -X -A -t -U postgres -c "SELECT application_name FROM pg_stat_replication WHERE state = 'streaming' UNION ALL SELECT '= ' || current_setting('synchronous_standby_names')" 2>&1) || {
		echo "the master does not answer: $found"
		return
	}
	printf '%s\n' "$found" | grep -qxF "= $SYNCHRONOUS" || echo "the master has not taken over synchronousReplicas yet"
	printf '%s\n' "$WANT" | while read -r cluster number; do
		streaming=$(printf '%s\n' "$found" | grep -cxF "$cluster") || true
		[ "$streaming" -lt "$number" ] || continue
		# What can't be reached comes back by itself, and must not keep anybody from
		# changing the rest.
		if lost "$cluster"; then
			say "cluster $cluster can't be reached: its replicas follow when it is back"
		else
			echo "$streaming of $number replicas in $cluster follow the master"
		fi
	done
}

# lost says whether the mesh has no connection to any node of a cluster.
lost() {
	[ "$1" != "$MASTER" ] || return 1
	connections=$(curl -s -m 5 http://127.0.0.1:6784/status/connections) && [ -n "$connections" ] || return 1
	! printf '%s\n' "$connections" | grep -q " established .*($1-[0-9]*)"
}

give_up() {
	say "$1"
	say "$(kube get pods -l 'app in (psql-master, psql-replica)' -o wide 2>&1)"
	say "the master's log ends: $(kube logs psql-master-0 -c postgres --tail 10 2>&1)"
	die "PostgreSQL is not up: \"hybrid postgres status\" shows replication, \"kubectl logs\" what is wrong with a pod"
}

main "$@" </dev/null
