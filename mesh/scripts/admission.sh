# create: waits until this peer, of the host, has its share of the ring. delete:
# takes over the addresses of a cluster that has left.
#
# CLUSTER  that joins, or has left; its peers are named CLUSTER-<number>
weave() { curl -s -m 5 "$@"; }

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
	# Whoever takes a living peer's addresses tears the ring.
	tries=120
	while weave http://127.0.0.1:6784/status/peers | grep -q "^[^ ].*($CLUSTER-[0-9]*)\$"; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || die "peers of $CLUSTER are still in the mesh after 2 minutes: end Weave Net there, then run pulumi up again"
		sleep 1
	done
	weave http://127.0.0.1:6784/status/ipam | sed -n "s/^\\([^ (]*\\)($CLUSTER-[0-9]*) .*/\\1/p" | while read -r peer; do
		weave -f -X DELETE "http://127.0.0.1:6784/peer/$peer" >&2 || die "Weave Net did not take over the addresses of $peer"
	done
}

main "$@" </dev/null
