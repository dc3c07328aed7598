# Waits until the federation's API answers at its port of the node, proves to be
# what it is, and knows the administrator's token.
#
# ADMIN       kubeconfig of the federation's administrator: secret
# GENERATION  of the API server: what has been looked at
main() {
	login printf '%s\n' "$ADMIN"
	tries=300
	# Everybody may ask whether it is ready; what it holds, only who has the token.
	until reason=$(fed get --raw /readyz 2>&1) && reason=$(fed get namespace kube-system -o name 2>&1); do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || die "the federation's API does not answer after 5 minutes: $reason"
		sleep 1
	done
}

main "$@" </dev/null
