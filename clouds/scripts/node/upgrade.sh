# Brings a node of a running cluster to another version of Kubernetes, as
# https://kubernetes.io/docs/tasks/administer-cluster/kubeadm/kubeadm-upgrade/ says.
# control-plane: on the control plane, which comes first. restart-kubelet: on a worker before
# it is drained. worker: on one that has been drained. Interrupted anywhere, it goes on when it
# runs again.
#
# NODE      name of the node
# VERSION   of Kubernetes: v1.36.5
# PACKAGES  URL of a mirror of https://pkgs.k8s.io, or empty
# IGNORE    what kubeadm's preflight may find
main() {
	exclusively
	case $2 in
	control-plane) control_plane ;;
	# After an outage of minutes a kubelet may wait up to a minute before it connects to
	# the API again, and ends no pod until then. Containers don't notice its restart.
	restart-kubelet) quietly kubelet systemctl restart kubelet ;;
	worker) worker ;;
	*) die "expected control-plane, restart-kubelet or worker, found \"$2\"" ;;
	esac
}

manifests=$ROOT/etc/kubernetes/manifests
# Where kubeadm keeps what it replaces.
former=$ROOT/etc/kubernetes/tmp

worker() {
	repository
	install kubeadm
	quietly upgrade-node kubeadm upgrade node --certificate-renewal=false --ignore-preflight-errors="$IGNORE"
	install kubelet kubectl
	restart_kubelet
}

control_plane() {
	looks=2
	# After an interrupted upgrade the API may come and go.
	[ ! -e "$STATE/$(backup)" ] || looks=5
	mend
	settle $looks
	snapshot
	send
	repository
	install kubeadm
	say "$NODE: the control plane's components are replaced one after the other: its API is away for about two minutes"
	attempts=3
	until apply; do
		attempts=$((attempts - 1))
		[ $attempts -gt 0 ] || die "\"kubeadm upgrade apply\" failed three times: its whole output is in $STATE/upgrade-apply.log on the machine; etcd as it was before is in $STATE/$(backup): $(tail -n 10 "$STATE/upgrade-apply.log")"
		say "$NODE: kubeadm upgrade apply failed, trying again: $(tail -n 3 "$STATE/upgrade-apply.log")"
		mend
		settle 5
	done
	# Never newer than the API server.
	install kubelet kubectl
	restart_kubelet
	settle 5 "$VERSION"
	# kubeadm leaves 100 MB each time.
	rm -rf "$former"/kubeadm-*
}

# The API's certificate and others are renewed in a way of their own.
apply() {
	kubeadm upgrade apply "$VERSION" --yes --certificate-renewal=false --ignore-preflight-errors="$IGNORE" >"$STATE/upgrade-apply.log" 2>&1
}

restart_kubelet() {
	restrict_kubelet
	quietly daemon-reload systemctl daemon-reload
	quietly kubelet systemctl restart kubelet
}

kube() { kubectl --kubeconfig "$ROOT/etc/kubernetes/admin.conf" --request-timeout 20s "$@"; }

# mend puts back a manifest that is missing: kubeadm moves it away before it moves the
# new one to its place, and may have been ended between.
mend() {
	for component in etcd kube-apiserver kube-controller-manager kube-scheduler; do
		[ ! -e "$manifests/$component.yaml" ] || continue
		newest=$(ls -td "$former"/kubeadm-backup-manifests-*/$component.yaml 2>/dev/null | head -n 1)
		[ -n "$newest" ] || die "expected a manifest of $component in $manifests or kubeadm's backup of it in $former, found none: put it there, then run pulumi up again"
		say "$NODE: putting back the manifest of $component, which an interrupted upgrade has moved away"
		# The kubelet reads whatever is in the folder: all or nothing.
		cp "$newest" "$former/$component.yaml"
		mv "$former/$component.yaml" "$manifests/$component.yaml"
	done
}

# settle LOOKS [VERSION]: waits until the control plane works in so many checks in a row, and
# with a version until the node runs it.
settle() {
	await 120 works "$1" "${2-}" || die "the control plane doesn't work 10 minutes after it was restarted: $SAID; its logs are in /var/log/pods on the machine"
}

# works LOOKS VERSION: checks every two seconds. An API that has just come back answers, and
# may go away again.
works() {
	before=$(leases) || { echo "$before"; return 1; }
	looks=$1
	while [ "$looks" -gt 0 ]; do
		kube get --raw /readyz || return 1
		[ -z "$2" ] || running "$2" || return 1
		sleep 2
		looks=$((looks - 1))
	done
	# Those who hold the leases renew them every two seconds.
	now=$(leases) || { echo "$now"; return 1; }
	for lease in $before; do
		case "$now" in *"$lease"*) echo "expected another renewal than $lease"; return 1 ;; esac
	done
}

leases() {
	kube -n kube-system get lease kube-controller-manager kube-scheduler -o 'jsonpath={range .items[*]}{.metadata.name}={.spec.renewTime}{"\n"}{end}' 2>&1
}

# running VERSION: the kubelet is of the version, and the static pods that it has are
# those that the cluster shows, and Ready. After its restart it replaces those that
# another version has started, and until then the cluster shows them as Ready.
running() {
	found=$(kube get node "$NODE" -o 'jsonpath={.status.nodeInfo.kubeletVersion}={.status.conditions[?(@.type=="Ready")].status}') || return 1
	[ "$found" = "$1=True" ] || { echo "node $NODE is $found, expected $1=True"; return 1; }
	own=$(kube get --raw "/api/v1/nodes/$NODE/proxy/pods" | tr ',{}' '\n\n\n' | sed -n 's/^"kubernetes.io\/config.hash":"\(.*\)"$/\1/p') || return 1
	[ -n "$own" ] || { echo "the kubelet of $NODE has no static pods"; return 1; }
	shown=$(kube -n kube-system get pods -l tier=control-plane --field-selector "spec.nodeName=$NODE" \
		-o 'jsonpath={range .items[*]}{.metadata.annotations.kubernetes\.io/config\.hash}={.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}') || return 1
	for hash in $own; do
		case "$shown" in *"$hash=True"*) ;; *) echo "static pod $hash is not Ready: $shown"; return 1 ;; esac
	done
}

# backup is the name of etcd's, as it was before the upgrade.
backup() { echo "etcd-before-$VERSION.db"; }

# snapshot keeps etcd as it is before the upgrade, once for each version.
snapshot() {
	[ ! -e "$STATE/$(backup)" ] || return 0
	pki=/etc/kubernetes/pki/etcd
	store=$ROOT/var/lib/etcd
	quietly snapshot timeout 300 kubectl --kubeconfig "$ROOT/etc/kubernetes/admin.conf" -n kube-system exec "etcd-$NODE" -- etcdctl \
		--cacert $pki/ca.crt --cert $pki/server.crt --key $pki/server.key snapshot save /var/lib/etcd/snapshot.db
	rm -f "$STATE"/etcd-before-*.db
	chmod 0600 "$store/snapshot.db"
	mv "$store/snapshot.db" "$STATE/$(backup)"
}

# send has a snapshot in the bucket, where there are backups.
send() {
	command -v hybrid-snapshot >/dev/null || return 0
	sent=$(hybrid-snapshot upgrade 2>&1) || die "nothing has been upgraded, for no snapshot of etcd could be sent to the bucket before: $sent; see \"hybrid backup list\", then run pulumi up again"
}

main "$@" </dev/null
