# Waits until the federation's API is whole: it knows Karmada's kinds, passes what
# is about members on to Karmada's own server, and has objects checked by Karmada.
#
# GENERATIONS  of the programs: what has been looked at
main() {
	login programs
	await 300 complete || give_up
}

complete() {
	missing=$(problems)
	printf '%s\n' "$missing"
	[ -z "$missing" ]
}

give_up() {
	say "$SAID"
	say "$(kubectl --kubeconfig $ROOT/etc/kubernetes/admin.conf --request-timeout 20s -n federation get pods 2>&1)"
	die "the federation is not ready after 5 minutes"
}

# problems prints one line for each thing that is missing.
problems() {
	kinds=$(fed get customresourcedefinitions -o 'jsonpath={range .items[*]}{.metadata.name}={.status.conditions[?(@.type=="Established")].status}{"\n"}{end}' 2>&1) ||
		{ echo "the API does not answer: $kinds"; return; }
	printf '%s\n' "$kinds" | sed -n '/=True$/d; s/=.*/ is not established/p'
	served=$(fed get --raw /apis/cluster.karmada.io/v1alpha1/clusters 2>&1 >/dev/null) || echo "karmada-aggregated-apiserver does not serve: $served"
	checked=$(probe 2>&1 >/dev/null) || echo "karmada-webhook does not check: $checked"
}

# probe has an object checked that is never made.
probe() {
	fed create --dry-run=server --validate=ignore -o name -f - <<-EOT
		apiVersion: policy.karmada.io/v1alpha1
		kind: PropagationPolicy
		metadata:
		  name: hybrid-probe
		  namespace: default
		spec:
		  resourceSelectors:
		  - apiVersion: v1
		    kind: ConfigMap
		    name: hybrid-probe
	EOT
}

main "$@" </dev/null
