# Speaks to the federation's API, from the host's control plane.
#
# SERVER  address and port at which this machine reaches the API
# PUBLIC  address at which others do, which the API must prove to be

# login COMMAND...: puts the kubeconfig that a command prints where kubectl reads
# it, for as long as this script runs.
login() {
	config=$(mktemp -p "$ROOT/run" hybrid-federation.XXXXXX)
	trap 'rm -f "$config"' EXIT
	"$@" >"$config" || die "found no kubeconfig for the federation"
}

# programs is how the control plane's programs log in. Nothing secret needs to be
# handed to this script.
programs() {
	kubectl --kubeconfig "$ROOT/etc/kubernetes/admin.conf" --request-timeout 20s -n federation get secret karmada-controller-manager \
		-o 'go-template={{.data.kubeconfig | base64decode}}'
}

fed() { kubectl --kubeconfig "$config" --server "https://$SERVER" --tls-server-name "$PUBLIC" --request-timeout 20s "$@"; }

