# Has snapshots of etcd sent to a bucket. On a machine that takes the place of a lost one it
# fetches the last of them, for init to go on from.
#
# SETTINGS   what send-snapshot.sh reads: secret
# AUTHORITY  certificate of who signs the bucket's, or empty for a public one
# SNAPSHOT   the script that sends them
# NODE       name of the control plane
# ADDRESS    its private address
# VERSION    of Kubernetes, which it has
# LIFE       the machine that the cluster was made with
# MACHINE    this one
main() {
	exclusively
	if ! command -v restic >/dev/null; then
		patiently apt-update apt-get -qq update
		patiently apt-install apt-get -qq -y install restic
	fi
	(
		umask 077
		mkdir -p "$STATE/snapshots"
		printf '%s\n' "$SETTINGS" | put "$STATE/snapshots/settings"
		printf %s "$AUTHORITY" | put "$STATE/snapshots/ca.crt"
	)
	printf '%s\n' "$SNAPSHOT" | regularly snapshot 30s "Send snapshots of etcd to the bucket"
	if [ "$LIFE" != "$MACHINE" ] && [ ! -e "$STATE/initialized" ] && [ ! -d "$STATE/restored" ]; then
		restore
	fi
}

restore() {
	say "$NODE: bringing the control plane back from its last snapshot"
	work=$STATE/restore
	rm -rf "$work"
	mkdir -m 0700 "$work"
	hybrid-snapshot fetch "$work/bucket" >"$STATE/fetch.log" 2>&1 ||
		die "no snapshot of the cluster could be fetched from the bucket: $(tail -n 3 "$STATE/fetch.log"); try again or, if there is none and the cluster is to begin again with nothing in it, set lost: true for it (docs/architecture.md)"
	found=$work/bucket$STATE/snapshots/now
	[ -s "$found/etcd.db" ] || die "expected etcd.db in the snapshot, found $(ls "$found" 2>&1)"
	image=$(kubeadm config images list --kubernetes-version "$VERSION" 2>/dev/null | grep /etcd:) || die "kubeadm config images list: expected an image of etcd, found none"
	quietly etcd-image ctr -n k8s.io images pull --hosts-dir "$ROOT/etc/containerd/certs.d" "$image"
	# Others have seen more of the past than the snapshot has: no number of a change may
	# be given twice, or they would miss what is to come.
	set -- --bump-revision 1000000000 --mark-compacted
	etcdutl snapshot restore "$found/etcd.db" --data-dir "$work/next/etcd" "$@" \
		--name "$NODE" --initial-cluster "$NODE=https://$ADDRESS:2380" --initial-advertise-peer-urls "https://$ADDRESS:2380"
	if [ -s "$found/federation.db" ] && [ ! -d "$ROOT/var/lib/federation-etcd/data" ]; then
		etcdutl snapshot restore "$found/federation.db" --data-dir "$work/federation" "$@" \
			--name etcd-0 --initial-cluster etcd-0=http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380
		mkdir -p "$ROOT/var/lib/federation-etcd"
		mv "$work/federation" "$ROOT/var/lib/federation-etcd/data"
	fi
	cp -a "$found/pki" "$work/next/pki"
	(
		umask 077
		put "$ROOT/etc/kubernetes/hardening/encryption.yaml" <"$found/encryption.yaml"
	)
	mv "$work/next" "$STATE/restored"
	rm -rf "$work"
}

# etcdutl runs the one in the image of etcd that the control plane will have.
etcdutl() {
	quietly etcdutl ctr -n k8s.io run --rm --mount "type=bind,src=$work,dst=$work,options=rbind:rw" "$image" "hybrid-restore-$$" etcdutl "$@"
}

main "$@" </dev/null
