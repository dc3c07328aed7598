# Makes this machine a worker of the cluster, unless it is one.
#
# NODE       name of this node
# CONFIG     kubeadm's document, with the token: secret
# CA_HASH    sha256:<hash of the public key> of the cluster's authority
# TOKEN_URN  Pulumi's name of the token
# KUBELET    what kubelets of the cluster are told
main() {
	exclusively
	if joined; then
		# kubelet creates the node object when it starts, and only then.
		kubectl --kubeconfig /etc/kubernetes/kubelet.conf --request-timeout 10s get node "$NODE" >/dev/null 2>&1 ||
			systemctl restart kubelet
		[ "$(cat "$STATE/kubelet" 2>/dev/null)" = "$KUBELET" ] || reconfigure
		return
	fi
	config=$(mktemp -p /run hybrid-join.XXXXXX)
	trap 'rm -f "$config"' EXIT
	printf '%s\n' "$CONFIG" >"$config"
	tries=36
	until attempt; do
		# A machine of the same name has died and the cluster hasn't noticed:
		# that takes it less than a minute.
		grep -q 'already exists in the cluster' "$STATE/join.log" || give_up
		tries=$((tries - 1))
		[ $tries -gt 0 ] || give_up
		sleep 5
	done
	restrict_kubelet
	printf '%s\n' "$KUBELET" | put "$STATE/kubelet"
}

# reconfigure fetches what kubelets of the cluster are told by now.
reconfigure() {
	quietly kubelet-config kubeadm upgrade node phase kubelet-config
	restrict_kubelet
	quietly kubelet systemctl restart kubelet
	printf '%s\n' "$KUBELET" | put "$STATE/kubelet"
}

# joined: this machine's kubelet has credentials of this very cluster.
joined() {
	[ -s /etc/kubernetes/kubelet.conf ] && [ ! -e /etc/kubernetes/bootstrap-kubelet.conf ] && [ "$(ca_hash)" = "$CA_HASH" ]
}

ca_hash() {
	[ -s /etc/kubernetes/pki/ca.crt ] || return 0
	hash=$(openssl x509 -in /etc/kubernetes/pki/ca.crt -noout -pubkey | openssl pkey -pubin -outform DER | sha256sum)
	echo "sha256:${hash%% *}"
}

attempt() {
	# Left over by an interrupted attempt, or by another or an older cluster.
	if [ -d /etc/kubernetes/pki ] || [ -e /etc/kubernetes/kubelet.conf ] || [ -e /etc/kubernetes/bootstrap-kubelet.conf ]; then
		quietly reset kubeadm reset --force --cri-socket unix:///run/containerd/containerd.sock
	fi
	kubeadm join --config "$config" >"$STATE/join.log" 2>&1
}

give_up() {
	say "$(tail -n 30 "$STATE/join.log")"
	if grep -q -e 'JWS' -e 'Unauthorized' "$STATE/join.log"; then
		die "the cluster doesn't know the token (any more): tokens live for a day. Mint another: pulumi up --replace '$TOKEN_URN'"
	fi
	die "\"kubeadm join\" failed: its whole output is in $STATE/join.log on the machine"
}

main "$@" </dev/null
