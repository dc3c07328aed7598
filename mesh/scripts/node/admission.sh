# create: waits until this peer, of the host, has its share of the ring. delete: ends the
# peers of a cluster that leaves, and gives their addresses back to the ring.
#
# CLUSTER  that joins, or leaves; its peers are named CLUSTER-<number>
# ADMIN    its administrator's kubeconfig: secret
weave() { curl -sf -m 5 "$@"; }

main() {
	case $2 in
	create) create ;;
	delete) delete ;;
	*) die "expected create or delete, found \"$2\"" ;;
	esac
}

create() {
	await 600 seeded || die "the mesh has not been seeded in 10 minutes: a majority of this cluster's nodes must run Weave Net and reach each other on port 6783. Weave Net says: $(weave http://127.0.0.1:6784/status | grep -A 1 'Service: ipam')"
}

seeded() { weave http://127.0.0.1:6784/status | grep -q 'Status: ready'; }

delete() {
	end_peers
	await 120 reclaim || die "the addresses of $CLUSTER could not be given back to the ring in 2 minutes: $SAID; then run pulumi up again"
}

# end_peers ends Weave Net in the cluster. If that is lost, its peers have ended already.
end_peers() {
	file=$STATE/$CLUSTER.conf
	(umask 077 && printf '%s\n' "$ADMIN" | put "$file")
	said=$(kubectl --kubeconfig "$file" --request-timeout 100s -n kube-system delete daemonset weave-net --ignore-not-found --cascade=foreground --timeout=100s 2>&1) ||
		say "Weave Net could not be ended in $CLUSTER: $said"
	rm -f "$file"
}

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

main "$@" </dev/null
