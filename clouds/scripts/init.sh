# Creates the cluster on its control plane, once.
#
# CONFIG  kubeadm's documents
main() {
	exclusively
	if [ -e "$STATE/initialized" ]; then
		printf '%s\n' "$CONFIG" | cmp -s - "$STATE/init.yaml" ||
			say "the cluster is initialized already: changed kubeadm settings count for new clusters only"
		return
	fi
	printf '%s\n' "$CONFIG" >"$STATE/init.yaml"
	# Left over by an attempt that was interrupted; it has never been of use.
	if [ -d /etc/kubernetes/pki ] || [ -e /etc/kubernetes/kubelet.conf ]; then
		say "removing what an interrupted kubeadm init has left"
		quietly reset kubeadm reset --force --cri-socket unix:///run/containerd/containerd.sock
	fi
	# Without a flag kubeadm prints a token, and output is kept in the state.
	quietly init kubeadm init --config "$STATE/init.yaml" --skip-token-print
	touch "$STATE/initialized"
}

main "$@" </dev/null
