# create: waits until the cluster knows a node, Ready or not, and has certified its
# kubelet. delete: takes a worker out of the cluster. Runs on the control plane.
#
# NODE      name of the node
# ADDRESS   its private address, for which it may have a certificate
# TOKEN_ID  public half of the token that the node has joined with, or empty
kube() { kubectl --kubeconfig "$ROOT/etc/kubernetes/admin.conf" "$@"; }

main() {
	case $2 in
	create) create ;;
	delete) delete ;;
	*) die "expected create or delete, found \"$2\"" ;;
	esac
}

create() {
	quietly "register-$NODE" kube wait --for=create "node/$NODE" --timeout=300s
	certify
	# The token has served. It may have expired as well.
	[ -z "$TOKEN_ID" ] || kubeadm token delete --kubeconfig "$ROOT/etc/kubernetes/admin.conf" "$TOKEN_ID" >/dev/null 2>&1 || true
}

# certify gives the kubelet its serving certificate, which the API server verifies.
certify() {
	printf '%s\n' "$ADDRESS" | put "$STATE/nodes/$NODE"
	await 120 serves || die "the kubelet of $NODE does not serve with a certificate of the cluster: $(tail -n 5 "$STATE/certify-$NODE.log"); see \"kubectl get csr\""
}

# serves: the API server reaches the kubelet, and takes it for that of this node.
serves() {
	hybrid-approve-kubelets >"$STATE/certify-$NODE.log" 2>&1 || return 1
	kube get --raw "/api/v1/nodes/$NODE/proxy/healthz" --request-timeout 5s >>"$STATE/certify-$NODE.log" 2>&1
}

delete() {
	rm -f "$STATE/nodes/$NODE"
	leave "$NODE"
	quietly "delete-$NODE" kube delete node "$NODE" --ignore-not-found --timeout=60s
}

main "$@" </dev/null
