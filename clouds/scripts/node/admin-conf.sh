# Waits for the API under the name that others use, then prints admin.conf.
#
# PUBLIC  address of the control plane as seen from outside
main() {
	# This machine can't reach its own public address on every cloud, but it can
	# insist that the server proves to be that address. The way there is the one
	# that this very SSH connection has taken.
	await 300 kubectl --kubeconfig "$ROOT/etc/kubernetes/admin.conf" --server https://127.0.0.1:6443 \
		--tls-server-name "$PUBLIC" --request-timeout 5s get --raw /readyz ||
		die "the Kubernetes API did not become ready: $SAID"
	cat "$ROOT"/etc/kubernetes/admin.conf
}

main "$@" </dev/null
