# create: waits until this peer, of the host, has its share of the ring. delete: gives the
# addresses of a cluster that has left back to the ring.
#
# CLUSTER  that joins, or leaves
main() {
	case $2 in
	create) create ;;
	# Of a cluster that is lost a worker may have a peer that runs, until its machine is gone.
	delete) reclaim_within 240 ;;
	*) die "expected create or delete, found \"$2\"" ;;
	esac
}

create() {
	await 600 seeded || die "the mesh has not been seeded in 10 minutes: a majority of this cluster's nodes must run Weave Net and reach each other on port 6783. Weave Net says: $(weave http://127.0.0.1:6784/status | grep -A 1 'Service: ipam')"
}

seeded() { weave http://127.0.0.1:6784/status | grep -q 'Status: ready'; }

main "$@" </dev/null
