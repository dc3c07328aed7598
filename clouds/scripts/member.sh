# create: waits until the cluster knows a worker, Ready or not. delete: takes it out
# of the cluster. Runs on the control plane.
#
# NODE      name of the node
# TOKEN_ID  public half of the token that the node has joined with
kube() { kubectl --kubeconfig /etc/kubernetes/admin.conf "$@"; }

main() {
	case $2 in
	create) create ;;
	delete) delete ;;
	*) die "expected create or delete, found \"$2\"" ;;
	esac
}

create() {
	quietly "register-$NODE" kube wait --for=create "node/$NODE" --timeout=300s
	# The token has served. It may have expired as well.
	kubeadm token delete --kubeconfig /etc/kubernetes/admin.conf "$TOKEN_ID" >/dev/null 2>&1 || true
}

delete() {
	drain "$NODE"
	quietly "delete-$NODE" kube delete node "$NODE" --ignore-not-found --timeout=60s
}

main "$@" </dev/null
