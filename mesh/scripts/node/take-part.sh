# create: waits until Weave Net runs on a node, and the node is Ready by that. delete:
# makes a worker give its addresses to another peer, before it leaves the cluster.
# Runs on the control plane.
#
# NODE  name of the node
kube() { kubectl --kubeconfig "$ROOT/etc/kubernetes/admin.conf" --request-timeout 20s -n kube-system "$@"; }

main() {
	case $2 in
	create) create ;;
	delete) delete ;;
	*) die "expected create or delete, found \"$2\"" ;;
	esac
}

pod() { kube get pods -l name=weave-net --field-selector "spec.nodeName=$NODE" -o name; }

answers() { peer=$(pod) && [ -n "$peer" ] && kube exec "$peer" -c weave -- curl -sf -m 5 -o /dev/null http://127.0.0.1:6784/status; }

create() {
	await 300 answers || die "Weave Net does not run on $NODE: $(kube get pods -l name=weave-net --field-selector "spec.nodeName=$NODE" 2>&1)"
	if ! kubectl --kubeconfig "$ROOT/etc/kubernetes/admin.conf" wait --for=condition=Ready "node/$NODE" --timeout=300s >/dev/null 2>&1; then
		say "$(kube get node "$NODE" -o 'jsonpath={range .status.conditions[*]}{.type}={.status}: {.message}{"\n"}{end}' 2>&1)"
		die "node $NODE did not become Ready in 5 minutes, although Weave Net runs on it: see \"journalctl -u kubelet\" there"
	fi
}

delete() {
	# A pod that ends gives its address back: the peer must still be able to
	# take it.
	leave "$NODE"
	# When the node is not there, or dead, its neighbors reclaim the addresses
	# as soon as the node is deleted.
	peer=$(pod 2>/dev/null) || return 0
	[ -n "$peer" ] || return 0
	kube exec "$peer" -c weave -- curl -sf -m 10 -X DELETE http://127.0.0.1:6784/peer >/dev/null 2>&1 ||
		say "the peer on $NODE did not give its addresses back; its neighbors will reclaim them"
}

main "$@" </dev/null
