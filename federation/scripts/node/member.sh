# create: waits until a cluster is a Ready member. delete: makes it leave, dead or
# alive. Runs on the host's control plane.
#
# CLUSTER   name of the member
# IDENTITY  of the cluster that has the name now
# ENDPOINT  of its API
main() {
	login programs
	member=clusters.cluster.karmada.io/$CLUSTER
	case $2 in
	create) create ;;
	delete) delete ;;
	*) die "expected create or delete, found \"$2\"" ;;
	esac
}

create() {
	known=$(cat "$STATE/member-$CLUSTER" 2>/dev/null) || known=
	if [ -n "$known" ] && [ "$known" != "$IDENTITY" ]; then
		# The controllers watch the cluster that was, with the token that was.
		quietly "restart-controllers" kubectl --kubeconfig "$ROOT/etc/kubernetes/admin.conf" -n federation delete pods -l app=karmada-controller-manager --timeout=120s
	fi
	await 180 ready || die "$CLUSTER did not become a Ready member in 3 minutes: can pods of this cluster reach $ENDPOINT? $(fed get "$member" -o 'jsonpath={range .status.conditions[*]}{.type}={.status}: {.message}{"\n"}{end}' 2>&1)"
	printf '%s\n' "$IDENTITY" | put "$STATE/member-$CLUSTER"
}

ready() { [ "$(fed get "$member" --ignore-not-found -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}' 2>/dev/null)" = True ]; }

delete() {
	rm -f "$STATE/member-$CLUSTER"
	quietly "leave-$CLUSTER" fed delete "$member" --ignore-not-found --wait=false
	# Karmada takes its objects out of the member first, unless that is not Ready.
	await 90 gone || remove_finalizers
}

# gone: the member is there no more; else it prints what is. An API that doesn't answer
# proves nothing.
gone() {
	found=$(fed get "$member" --ignore-not-found -o name 2>&1) || found="unknown: $found"
	[ -z "$found" ] || { echo "$found"; return 1; }
}

# remove_finalizers takes the member out without Karmada: objects that it has placed in
# the cluster stay there, if the cluster still exists.
remove_finalizers() {
	say "$CLUSTER has not left the federation within 90 s ($SAID): taking it out by force. Objects that the federation has placed there stay."
	space=karmada-es-$CLUSTER
	fed -n "$space" get works.work.karmada.io -o name 2>/dev/null | while read -r work; do
		quietly "finalizers-$CLUSTER" fed -n "$space" patch "$work" --type merge -p '{"metadata":{"finalizers":null}}'
	done
	quietly "finalizers-$CLUSTER" fed delete namespace "$space" --ignore-not-found --wait=false
	fed patch "$member" --type merge -p '{"metadata":{"finalizers":null}}' >/dev/null 2>&1 || true
	await 30 gone || die "$CLUSTER does not leave the federation: $SAID"
}

main "$@" </dev/null
