# Prints what the federation needs to use this cluster: the cluster's authority,
# the federation's token and the token to act for others by, one in a line, in
# base64. Runs on the member's control plane.
#
# CLUSTER  name of the cluster
# ISSUED   IDs of the secrets that hold the tokens: what has been printed
main() {
	# Tokens are filled in shortly after the secrets are made.
	await 120 fields || die "the cluster did not issue tokens for the federation: is its controller manager running? $(cat "$STATE/credentials.log")"
	printf '%s\n' "$SAID"
}

fields() { field "karmada-$CLUSTER" 'ca\.crt' && field "karmada-$CLUSTER" token && field karmada-impersonator token; }

# field SECRET KEY: fails if it is empty.
field() {
	kubectl --kubeconfig "$ROOT/etc/kubernetes/admin.conf" --request-timeout 10s -n karmada-cluster get secret "$1" \
		-o "jsonpath={.data.$2}" 2>"$STATE/credentials.log" | grep .
}

main "$@" </dev/null
