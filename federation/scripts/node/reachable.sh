# Waits until the federation's API answers at its port of the node, proves to be
# what it is, and knows the administrator's token.
#
# ADMIN       kubeconfig of the federation's administrator: secret
# GENERATION  of the API server: what has been looked at
main() {
	login printf '%s\n' "$ADMIN"
	await 300 answers || die "the federation's API does not answer after 5 minutes: $SAID"
}

# answers: readiness needs no token, objects do.
answers() { fed get --raw /readyz && fed get namespace kube-system -o name; }

main "$@" </dev/null
