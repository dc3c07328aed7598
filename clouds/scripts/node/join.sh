# Makes this machine a worker of the cluster, unless it is one.
#
# NODE       name of this node
# CONFIG     kubeadm's document, with the token: secret
# CA_HASH    sha256:<hash of the public key> of the cluster's authority
# TOKEN_URN  Pulumi's name of the token
# KUBELET    what kubelets of the cluster are told
# REPORTER   see timers.sh
kubernetes=$ROOT/etc/kubernetes

main() {
	exclusively
	report_reboots
	if joined; then
		follow
		# kubelet creates the node object when it starts, and only then.
		kubectl --kubeconfig "$ROOT/etc/kubernetes/kubelet.conf" --request-timeout 10s get node "$NODE" >/dev/null 2>&1 ||
			systemctl restart kubelet
		[ "$(cat "$STATE/kubelet" 2>/dev/null)" = "$KUBELET" ] || reconfigure
		return
	fi
	config=$(mktemp -p "$ROOT/run" hybrid-join.XXXXXX)
	trap 'rm -f "$config"' EXIT
	printf '%s\n' "$CONFIG" >"$config"
	PAUSE=5
	await 36 attempt || give_up
	[ "$SAID" = joined ] || give_up
	restrict_kubelet
	printf '%s\n' "$KUBELET" | put "$STATE/kubelet"
}

# follow has the kubelet ask the control plane where that is now: one that has been brought
# back on another machine may have another address.
follow() {
	now=$(printf '%s\n' "$CONFIG" | sed -n 's/^ *apiServerEndpoint: //p')
	was=$(sed -n 's/^ *server: //p' "$kubernetes/kubelet.conf")
	[ -n "$was" ] && [ "$was" != "https://$now" ] || return 0
	(
		umask 077
		sed "s|^\( *server:\) .*|\1 https://$now|" "$kubernetes/kubelet.conf" | put "$kubernetes/kubelet.conf"
	)
	quietly kubelet systemctl restart kubelet
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
	[ -s "$kubernetes/kubelet.conf" ] && [ ! -e "$kubernetes/bootstrap-kubelet.conf" ] && [ "$(ca_hash)" = "$CA_HASH" ]
}

ca_hash() {
	[ -s "$kubernetes/pki/ca.crt" ] || return 0
	hash=$(openssl x509 -in "$kubernetes/pki/ca.crt" -noout -pubkey | openssl pkey -pubin -outform DER | sha256sum)
	echo "sha256:${hash%% *}"
}

# attempt joins, and says so. It fails while waiting can help: a machine of the same name
# has died, and the cluster hasn't noticed. That takes it less than a minute.
attempt() {
	# Left over by an interrupted attempt, or by another or an older cluster.
	if [ -d "$kubernetes/pki" ] || [ -e "$kubernetes/kubelet.conf" ] || [ -e "$kubernetes/bootstrap-kubelet.conf" ]; then
		quietly reset kubeadm reset --force --cri-socket unix:///run/containerd/containerd.sock
	fi
	if kubeadm join --config "$config" >"$STATE/join.log" 2>&1; then
		echo joined
	else
		! grep -q 'already exists in the cluster' "$STATE/join.log"
	fi
}

give_up() {
	say "$(tail -n 30 "$STATE/join.log")"
	if grep -q -e 'JWS' -e 'Unauthorized' "$STATE/join.log"; then
		die "the cluster doesn't know the token (any more): tokens live for a day. Mint another: pulumi up --replace '$TOKEN_URN'"
	fi
	die "\"kubeadm join\" failed: its whole output is in $STATE/join.log on the machine"
}

main "$@" </dev/null
