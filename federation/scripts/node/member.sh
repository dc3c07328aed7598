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
		quietly "restart-controllers" kubectl --kubeconfig /etc/kubernetes/admin.conf -n federation delete pods -l app=karmada-controller-manager --timeout=120s
	fi
	tries=180
	until [ "$(ready)" = True ]; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || die "$CLUSTER did not become a Ready member in 3 minutes: can pods of this cluster reach $ENDPOINT? $(fed get "$member" -o 'jsonpath={range .status.conditions[*]}{.type}={.status}: {.message}{"\n"}{end}' 2>&1)"
		sleep 1
	done
	printf '%s\n' "$IDENTITY" | put "$STATE/member-$CLUSTER"
}

ready() { fed get "$member" --ignore-not-found -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}' 2>/dev/null; }

delete() {
	rm -f "$STATE/member-$CLUSTER"
	quietly "leave-$CLUSTER" fed delete "$member" --ignore-not-found --wait=false
	# Karmada takes its objects out of the member first, unless that is not Ready.
	tries=90
	while left; do
		tries=$((tries - 1))
		if [ $tries -eq 0 ]; then
			strike
			return
		fi
		sleep 1
	done
}

# left: the member is still there. An API that doesn't answer says nothing.
left() {
	found=$(fed get "$member" --ignore-not-found -o name 2>&1) || found="unknown: $found"
	[ -n "$found" ]
}

# strike takes the member out without Karmada: objects that it has placed there
# stay there, if there is a there.
strike() {
	say "$CLUSTER has not left the federation within 90 s ($found): taking it out by force. Objects that the federation has placed there stay."
	space=karmada-es-$CLUSTER
	fed -n "$space" get works.work.karmada.io -o name 2>/dev/null | while read -r work; do
		quietly "strike-$CLUSTER" fed -n "$space" patch "$work" --type merge -p '{"metadata":{"finalizers":null}}'
	done
	quietly "strike-$CLUSTER" fed delete namespace "$space" --ignore-not-found --wait=false
	fed patch "$member" --type merge -p '{"metadata":{"finalizers":null}}' >/dev/null 2>&1 || true
	tries=30
	while left; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || die "$CLUSTER does not leave the federation: $found"
		sleep 1
	done
}

main "$@" </dev/null
