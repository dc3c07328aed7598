# Prints a kubeadm join command with a fresh token, which is good for a day.
#
# NODE  that will join
main() {
	await 60 create || die "kubeadm token create failed: $(tail -n 5 "$STATE/token-$NODE.log")"
	line=$SAID
	token=${line#*--token }
	id=${token%%.*}
	# The controller manager signs cluster-info with a new token after some seconds. A node
	# that joins before has to look again, which kubeadm does every 5 s only.
	PAUSE=0.1
	await 600 signed "$id" || die "the cluster did not sign its cluster-info with token $id: is the controller manager running? $(tail -n 5 "$STATE/token-$NODE.log")"
	printf '%s\n' "$line"
}

create() {
	kubeadm token create --kubeconfig "$ROOT/etc/kubernetes/admin.conf" --ttl 24h \
		--description "join of $NODE" --print-join-command 2>"$STATE/token-$NODE.log"
}

# signed TOKEN_ID: nodes can join with the token.
signed() {
	kubectl --kubeconfig "$ROOT/etc/kubernetes/admin.conf" --request-timeout 5s -n kube-public get configmap cluster-info \
		-o "jsonpath={.data.jws-kubeconfig-$1}" 2>"$STATE/token-$NODE.log" | grep -q .
}

main "$@" </dev/null
