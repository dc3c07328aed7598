# create: waits until this peer, of the host, has its share of the ring. delete:
# takes over the addresses of a cluster that has left.
#
# CLUSTER  that joins, or has left; its peers are named CLUSTER-<number>
weave() { curl -sf -m 5 "$@"; }

main() {
	case $2 in
	create) create ;;
	delete) delete ;;
	*) die "expected create or delete, found \"$2\"" ;;
	esac
}

create() {
	tries=600
	until weave http://127.0.0.1:6784/status | grep -q 'Status: ready'; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || die "the mesh has not been seeded in 10 minutes: a majority of this cluster's nodes must run Weave Net and reach each other on port 6783. Weave Net says: $(weave http://127.0.0.1:6784/status | grep -A 1 'Service: ipam')"
		sleep 1
	done
}

delete() {
	tries=120
	until take_over; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || die "the addresses of $CLUSTER could not be taken over in 2 minutes: $why; then run pulumi up again"
		sleep 1
	done
}

# take_over takes what the cluster's peers own, and succeeds when that is nothing any
# more. Without it the addresses would be nobody's for ever, so no answer is not
# taken for a good one.
take_over() {
	why="Weave Net does not answer on this node: see to its pod"
	peers=$(weave http://127.0.0.1:6784/status/peers) || return 1
	ipam=$(weave http://127.0.0.1:6784/status/ipam) && [ -n "$ipam" ] || return 1
	# Whoever takes a living peer's addresses tears the ring.
	if printf '%s\n' "$peers" | grep -q "^[^ ].*($CLUSTER-[0-9]*)\$" ||
		printf '%s\n' "$ipam" | grep "($CLUSTER-[0-9]*) " | grep -qv 'unreachable!$'; then
		why="peers of $CLUSTER are still in the mesh: end Weave Net there. If $CLUSTER stays and shall become the federationHost, set that back: it can't move"
		return 1
	fi
	owners=$(printf '%s\n' "$ipam" | sed -n "s/^\\([^ (]*\\)($CLUSTER-[0-9]*) .*/\\1/p")
	[ -n "$owners" ] || return 0
	# shellcheck disable=SC2086 # one word each
	set -- $owners
	why="Weave Net did not take over the addresses of $*"
	for peer; do
		weave -X DELETE "http://127.0.0.1:6784/peer/$peer" >&2
	done
	return 1 # until it shows
}

main "$@" </dev/null
