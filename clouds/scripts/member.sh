# create: waits until a node is Ready. delete: takes it out of the cluster. Runs
# on the control plane.
#
# NODE      name of the node
# TOKEN_ID  public half of the token that the node has joined with, or empty
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
	if ! kube wait --for=condition=Ready "node/$NODE" --timeout=600s >/dev/null 2>&1; then
		say "$(kube get node "$NODE" -o 'jsonpath={range .status.conditions[*]}{.type}={.status}: {.message}{"\n"}{end}' 2>&1)"
		die "node $NODE did not become Ready in 10 minutes: see \"journalctl -u kubelet\" on it"
	fi
	# The token has served. It may have expired as well.
	[ -z "$TOKEN_ID" ] || kubeadm token delete --kubeconfig /etc/kubernetes/admin.conf "$TOKEN_ID" >/dev/null 2>&1 || true
}

delete() {
	drain "$NODE"
	quietly "delete-$NODE" kube delete node "$NODE" --ignore-not-found --timeout=60s
}

main "$@" </dev/null
