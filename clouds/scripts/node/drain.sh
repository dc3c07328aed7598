# Empties nodes. Comes after lib.sh in those scripts that do.

# drain NODE [FLAG...]: moves its pods elsewhere, as far as their budgets allow that within
# $SECONDS_TO_LEAVE. Runs on the control plane. A pod that may not leave is told, and ends
# the script. Fails if pods have not ended for another reason.
drain() { evict "$SECONDS_TO_LEAVE" "$@" || refused; }
SECONDS_TO_LEAVE=300

# evict SECONDS NODE [FLAG...]: has its pods end within so many seconds. Of a node that is
# not Ready it could not be confirmed that a pod has ended.
evict() {
	seconds=$1 node=$2
	shift 2
	log=$STATE/drain-$node.log
	kubectl="kubectl --kubeconfig $ROOT/etc/kubernetes/admin.conf"
	ready=$($kubectl get node "$node" --ignore-not-found --request-timeout 20s -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}' 2>"$log") || return 1
	[ "$ready" = True ] || return 0
	$kubectl drain "$node" --ignore-daemonsets --delete-emptydir-data "$@" --timeout="${seconds}s" >"$log" 2>&1
}

# refused ends the script if it was a budget that kept pods, and fails if not.
refused() {
	kept=$(kept) || kept=
	[ -n "$kept" ] || return 1
	stay "$kept"
}

# stay REASON: lets pods in again where they could not leave, and ends the script.
stay() {
	$kubectl uncordon "$node" >/dev/null 2>&1 || say "node $node lets no pods in: kubectl uncordon $node"
	rm -f "$STATE/missing-$node"
	die "node $node was not drained within $SECONDS_TO_LEAVE seconds, and is in use again: $1"
}

# kept says which pods a budget keeps on the node. kubectl doesn't name the budget.
kept() {
	sed -n 's/.*evicting pods\/"\([^"]*\)" -n "\([^"]*\)".*disruption budget.*/\2 \1/p' "$log" | sort -u |
		while read -r namespace pod; do
			budgets=$($kubectl -n "$namespace" get poddisruptionbudgets --request-timeout 20s -o 'jsonpath={range .items[?(@.status.disruptionsAllowed==0)]}{.metadata.name}{" "}{end}')
			echo "pod $pod in namespace $namespace may not leave, by the PodDisruptionBudget ${budgets% }: have it allow a disruption, or delete it;"
		done
}

# leave NODE: drains one that goes for good. What can't be moved goes with it: the machine
# may be gone already, and the cluster get to know that only now. So it is asked every 10
# seconds whether the node is Ready still. An API that refuses connections is given the same
# time as one that is silent.
leave() {
	SECONDS_TO_LEAVE=120
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12; do
		next=$(($(date +%s) + 10))
		evict 10 "$1" --force && return
		early=$((next - $(date +%s)))
		[ "$early" -le 0 ] || sleep "$early"
	done
	refused || say "node $1 was not drained within $SECONDS_TO_LEAVE seconds, taking it out all the same: $(tail -n 3 "$STATE/drain-$1.log")"
}

