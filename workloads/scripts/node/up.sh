# Gives Patroni its settings, and waits until there is a leader, and as many members
# of each cluster follow it as there are to be. Runs on the control plane of
# psql-master's cluster.
#
# MASTER      psql-master's cluster
# WANT        lines of a cluster and its number of members
# PARAMETERS  PostgreSQL's, of the settings, in its own format
# DYNAMIC     Patroni's settings, JSON
# ETCD        the clusters with a member of etcd
# LIST        list.py
kube() { kubectl --kubeconfig "$ROOT/etc/kubernetes/admin.conf" --request-timeout 60s -n default "$@"; }
inside() { kube exec -i psql-master-0 -c postgres -- "$@"; }

main() {
	within "the pod psql-master-0 does not run" inside sh -c :
	# Nothing runs worse for a mistake: it is found before Patroni is told.
	[ -z "$PARAMETERS" ] || said=$(printf '%s' "$PARAMETERS" | inside sh /etc/psql/scripts/try.sh 2>&1) ||
		die "PostgreSQL refuses hybrid:postgres.parameters: $said"
	within "there is no leader" leader
	# While etcd gets another member it may not answer for seconds.
	await 20 configure || die "Patroni does not take its settings: $(printf '%s\n' "$SAID" | tail -n 3)"
	within "" complete
	# Patroni looks for new settings every few seconds, and knows then what they need.
	await 20 taken || true
	restarts=$(list | grep -c ' restart$') || true
	[ "$restarts" = 0 ] || say "members take some of the parameters at their next start: kubectl --context $MASTER exec psql-master-0 -- patronictl restart psql --force"
	kube create configmap psql-initialized --from-literal=system=yes --from-literal=etcd="$ETCD" --dry-run=client -o yaml | kube apply -f - >/dev/null
}

# within MESSAGE COMMAND: what the command says is the reason.
within() {
	message=$1
	shift
	await 200 "$@" || give_up "${message:+$message: }$SAID"
}

list() { inside python3 -ISc "$LIST" </dev/null; }

configure() { printf '%s' "$DYNAMIC" | inside patronictl edit-config psql --force --quiet --replace -; }

# taken says whether this member's Patroni has the settings.
taken() {
	printf '%s' "$DYNAMIC" | inside python3 -ISc 'import json, sys; sys.exit(json.load(sys.stdin) != json.load(open("/var/lib/psql/data/patroni.dynamic.json")))'
}

leader() {
	members=$(list)
	printf '%s\n' "$members" | grep -q ' leader running' || { printf '%s\n' "$members"; return 1; }
}

# complete fails with a line for each thing that is missing.
complete() {
	members=$(list)
	missing=$(
		printf '%s\n' "$WANT" | while read -r cluster number; do
			well=$(printf '%s\n' "$members" | grep -c -e "^$cluster [a-z_]* streaming" -e "^$cluster leader running") || true
			[ "$well" -lt "$number" ] || continue
			# What can't be reached comes back by itself, and must not keep the rest from
			# being changed.
			if lost "$cluster"; then
				say "cluster $cluster can't be reached: its members follow when it is back"
			else
				echo "$well of $number members in $cluster lead or follow"
			fi
		done
	)
	[ -z "$missing" ] || { echo "$missing"; return 1; }
}

# lost says whether the mesh has no connection to any node of a cluster.
lost() {
	[ "$1" != "$MASTER" ] || return 1
	connections=$(curl -s -m 5 http://127.0.0.1:6784/status/connections) && [ -n "$connections" ] || return 1
	! printf '%s\n' "$connections" | grep -q " established .*($1-[0-9]*)"
}

give_up() {
	say "$1"
	say "$(kube get pods -l scope=psql -o wide 2>&1)"
	say "psql-master-0's log ends: $(kube logs psql-master-0 -c postgres --tail 10 2>&1)"
	die "PostgreSQL is not up: \"hybrid postgres status\" shows its members, \"kubectl logs\" what is wrong with a pod"
}

main "$@" </dev/null
