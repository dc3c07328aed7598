# Gives addresses back to the ring. Comes after lib.sh in those scripts that do, which run
# on a node of the host.
#
# CLUSTER  whose peers they were; these are named CLUSTER-<number>
weave() { curl -sf -m 5 "$@"; }

# reclaim gives what the cluster's peers own back to the ring, and succeeds when that is
# nothing any more; else it prints why not. Without it the addresses would be lost, so no
# answer is not taken for a good one.
reclaim() {
	if ! peers=$(weave http://127.0.0.1:6784/status/peers) || ! ipam=$(weave http://127.0.0.1:6784/status/ipam) || [ -z "$ipam" ]; then
		echo "Weave Net does not answer on this node: see to its pod"
		return 1
	fi
	# To reclaim the addresses of a peer that runs would split the ring.
	if printf '%s\n' "$peers" | grep -q "^[^ ].*($CLUSTER-[0-9]*)\$" ||
		printf '%s\n' "$ipam" | grep "($CLUSTER-[0-9]*) " | grep -qv 'unreachable!$'; then
		echo "peers of $CLUSTER are still in the mesh: end Weave Net there, or switch off its machines. If $CLUSTER stays and shall become the federationHost, set that back: it can't move"
		return 1
	fi
	owners=$(printf '%s\n' "$ipam" | sed -n "s/^\\([^ (]*\\)($CLUSTER-[0-9]*) .*/\\1/p")
	[ -n "$owners" ] || return 0
	# shellcheck disable=SC2086 # one word each
	set -- $owners
	for peer; do
		weave -X DELETE "http://127.0.0.1:6784/peer/$peer"
	done
	echo "Weave Net did not reclaim the addresses of $*"
	return 1 # until it shows
}

# reclaim_within TRIES
reclaim_within() {
	await "$1" reclaim || die "the addresses of $CLUSTER could not be given back to the ring: $SAID; then run pulumi up again"
}

