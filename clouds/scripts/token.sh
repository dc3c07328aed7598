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
	printf '%s\n' "$line"
}

main "$@" </dev/null
