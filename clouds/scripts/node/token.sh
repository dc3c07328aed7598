# Prints a kubeadm join command with a fresh token, which is good for a day.
#
# NODE  that will join
main() {
	tries=60
	until line=$(kubeadm token create --kubeconfig /etc/kubernetes/admin.conf --ttl 24h \
		--description "join of $NODE" --print-join-command 2>"$STATE/token-$NODE.log"); do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || die "kubeadm token create failed: $(tail -n 5 "$STATE/token-$NODE.log")"
		sleep 1
	done
	token=${line#*--token }
	await_signature "${token%%.*}"
	printf '%s\n' "$line"
}

# await_signature TOKEN_ID: the controller manager signs cluster-info with a new
# token after some seconds. A node that joins before has to look again, which
# kubeadm does every 5 s only.
await_signature() {
	tries=600
	until kubectl --kubeconfig /etc/kubernetes/admin.conf --request-timeout 5s -n kube-public get configmap cluster-info \
		-o "jsonpath={.data.jws-kubeconfig-$1}" 2>"$STATE/token-$NODE.log" | grep -q .; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || die "the cluster did not sign its cluster-info with token $1: is the controller manager running? $(tail -n 5 "$STATE/token-$NODE.log")"
		sleep 0.1
	done
}

main "$@" </dev/null
