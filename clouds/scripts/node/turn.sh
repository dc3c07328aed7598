# A node's turn to have its machine stopped, or to be upgraded. empty: drains it or says
# what doesn't let it. return: waits until it is back and Ready, lets pods in again, and
# waits for those that the cluster lacks. Runs on the control plane.
#
# NODE     name of the node
# VERSION  of Kubernetes that it has when it is back, or empty
kube() { kubectl --kubeconfig "$ROOT/etc/kubernetes/admin.conf" --request-timeout 20s "$@"; }

main() {
	case $2 in
	empty)
		count_missing
		drain "$NODE" || stay "$(tail -n 5 "$STATE/drain-$NODE.log")"
		;;
	return) back ;;
	*) die "expected empty or return, found \"$2\"" ;;
	esac
}

# count_missing remembers how many pods needn't be ready afterwards: of an interrupted
# turn those from before.
count_missing() {
	[ ! -e "$STATE/missing-$NODE" ] || return 0
	pods=$(missing) || pods=
	count "$pods" | put "$STATE/missing-$NODE"
}

back() {
	# What the cluster says of a machine that has just been stopped is still that it
	# is Ready. Its kubelet renews a lease every 10 seconds.
	await 300 renewed || die "the Kubernetes API doesn't answer 5 minutes after $NODE came back"
	before=$SAID
	await 300 returned || die "node $NODE is not Ready${VERSION:+ with Kubernetes $VERSION} 5 minutes after it came back: see \"journalctl -u kubelet\" on it, then run pulumi up again"
	quietly "uncordon-$NODE" kube uncordon "$NODE"
	await 300 complete || die "not ready 5 minutes after $NODE came back, so no other node is stopped: $SAID; see \"kubectl get pods -A\", then run pulumi up again"
	rm -f "$STATE/missing-$NODE"
}

# renewed prints when the node's kubelet has last said that it is there.
renewed() { kube -n kube-node-lease get lease "$NODE" -o 'jsonpath={.spec.renewTime}' 2>/dev/null | grep .; }

returned() { now=$(renewed) && [ "$now" != "$before" ] && ready; }

# complete: no more pods are missing than before. Prints which are.
complete() {
	now=$(missing) || return 1
	printf '%s\n' "$now" | sed -e 's/^/pod /' -e '$!s/$/,/' | tr '\n' ' ' | sed 's/ $//'
	[ "$(count "$now")" -le "$(cat "$STATE/missing-$NODE" 2>/dev/null || echo 0)" ]
}

# count LINES: how many there are.
count() { printf '%s' "$1" | grep -c '' || true; }

ready() {
	found=$(kube get node "$NODE" -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}={.status.nodeInfo.kubeletVersion}' 2>/dev/null)
	[ "${found%%=*}" = True ] && [ "${found#*=}" = "${VERSION:-${found#*=}}" ]
}

# missing are the pods that are not ready and have not ended, each as namespace/name.
missing() {
	pods=$(kube get pods -A -o 'jsonpath={range .items[*]}{.status.phase}={.status.conditions[?(@.type=="Ready")].status} {.metadata.namespace}/{.metadata.name}{"\n"}{end}' 2>/dev/null) || return 1
	printf '%s\n' "$pods" | sed -e '/^Succeeded=/d' -e '/^Failed=/d' -e '/=True /d' -e 's/^[^ ]* //' -e '/^$/d'
}

main "$@" </dev/null
