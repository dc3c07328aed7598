# Creates the cluster on its control plane, once. Later it brings the control plane to
# other settings, and looks after the names in the API's certificate.
#
# VERSION       of Kubernetes, which the control plane has
# CONFIG        kubeadm's documents
# CERTIFICATE   the same, for kubeadm to put the API's certificate into $STATE/pki
# NAMES         names and addresses for which the certificate is to be valid, besides
#               Kubernetes' own
# SETTINGS      what of the documents counts for a running cluster too
# NETWORKS      the ranges of pods and services, which can't change in a running cluster
# AUDIT_POLICY  what the API server writes down
# ADMISSION     which pods it lets in
# APPROVER      the script that approves kubelets' serving certificates
# RENEWER       the script that renews kubeadm's certificates
# NODE, REPORTER  see timers.sh
main() {
	exclusively
	arrange
	if [ ! -e "$STATE/initialized" ]; then
		initialize
		return
	fi
	[ ! -e "$STATE/networks" ] || [ "$(cat "$STATE/networks")" = "$NETWORKS" ] ||
		die "the cluster was made with the ranges \"$(cat "$STATE/networks")\" of pods and services, and is to have \"$NETWORKS\": a running cluster keeps its ranges; put the former ones back, or remove the cluster and make another"
	[ "$(cat "$STATE/settings" 2>/dev/null)" = "$SETTINGS" ] || reconfigure
	[ "$(cat "$STATE/names" 2>/dev/null)" = "$NAMES" ] || rename
	[ -e "$STATE/encrypted" ] || encrypt
	printf '%s\n' "$NETWORKS" | put "$STATE/networks"
}

# arrange puts down what the control plane's programs find on their machine.
arrange() {
	folder=$ROOT/etc/kubernetes/hardening
	printf '%s\n' "$AUDIT_POLICY" | put "$folder/audit-policy.yaml"
	printf '%s\n' "$ADMISSION" | put "$folder/admission.yaml"
	# The key is born here and stays here. Without it the Secrets are lost, so one that
	# is there is never replaced.
	[ -s "$folder/encryption.yaml" ] || (
		umask 077
		put "$folder/encryption.yaml" <<-EOT
			apiVersion: apiserver.config.k8s.io/v1
			kind: EncryptionConfiguration
			resources:
			  - resources: [secrets]
			    providers:
			      - secretbox:
			          keys:
			            - name: key1
			              secret: $(head -c 32 /dev/urandom | base64)
			      # Reads what was there before.
			      - identity: {}
		EOT
	)
	# etcd's folder is for a user of its own (CIS 1.1.11 and 1.1.12), as whom nothing runs.
	id etcd >/dev/null 2>&1 || useradd --system --no-create-home --shell /usr/sbin/nologin etcd
	mkdir -p "$ROOT/var/lib/etcd"
	chmod 0700 "$ROOT/var/lib/etcd"
	chown etcd:etcd "$ROOT/var/lib/etcd"
	# Kubernetes approves none of these by itself, and kubelets ask for the next one
	# before one ends.
	printf '%s\n' "$APPROVER" | regularly approve-kubelets 1min "Approve kubelets' serving certificates"
	printf '%s\n' "$RENEWER" | regularly renew-certificates 10min "Renew kubeadm's certificates"
	report_reboots
}

initialize() {
	printf '%s\n' "$CONFIG" >"$STATE/init.yaml"
	# Left over by an attempt that was interrupted; it has never been of use.
	if [ -d "$ROOT/etc/kubernetes/pki" ] || [ -e "$ROOT/etc/kubernetes/kubelet.conf" ]; then
		say "removing what an interrupted kubeadm init has left"
		quietly reset kubeadm reset --force --cri-socket unix:///run/containerd/containerd.sock
	fi
	# Without a flag kubeadm prints a token, and output is kept in the state.
	set -- --config "$STATE/init.yaml" --skip-token-print
	if [ -d "$STATE/restored" ]; then
		bring_back
		set -- "$@" --ignore-preflight-errors=DirAvailable--var-lib-etcd
	fi
	quietly init kubeadm init "$@"
	restrict_kubelet
	# It may be at another address: those that are told once are told again.
	[ ! -d "$STATE/restored" ] || quietly kube-proxy-restart kube -n kube-system rollout restart daemonset/kube-proxy
	printf '%s\n' "$NAMES" | put "$STATE/names"
	printf '%s\n' "$SETTINGS" | put "$STATE/settings"
	printf '%s\n' "$NETWORKS" | put "$STATE/networks"
	touch "$STATE/encrypted" "$STATE/initialized"
	rm -rf "$STATE/restored"
}

# bring_back puts in place what snapshots.sh has fetched: kubeadm goes on from the keys and
# the data that are there.
bring_back() {
	mkdir -p "$ROOT/etc/kubernetes/pki"
	cp -a "$STATE/restored/pki/." "$ROOT/etc/kubernetes/pki"
	rm -rf "$ROOT/var/lib/etcd/member"
	cp -a "$STATE/restored/etcd/member" "$ROOT/var/lib/etcd/member"
}

# reconfigure brings a running control plane to other settings as kubeadm upgrades one:
# one component after the other, back to the former if the new one doesn't start, and
# each only if something has changed for it.
reconfigure() {
	say "bringing the control plane to changed settings: the Kubernetes API is away for a minute or two, pods run on"
	printf '%s\n' "$CONFIG" >"$STATE/init.yaml"
	quietly upload-config kubeadm init phase upload-config all --config "$STATE/init.yaml"
	quietly kube-proxy kubeadm init phase addon kube-proxy --config "$STATE/init.yaml"
	# What preflight asks for was seen to when the cluster was made.
	quietly apply kubeadm upgrade apply "$VERSION" --yes --force --skip-phases preflight --certificate-renewal=false
	restrict_kubelet
	quietly kubelet systemctl restart kubelet
	await 180 ready || die "the Kubernetes API did not become ready with the changed settings: $SAID"
	quietly kube-proxy-restart kube -n kube-system rollout restart daemonset/kube-proxy
	printf '%s\n' "$SETTINGS" | put "$STATE/settings"
}

kube() { kubectl --kubeconfig "$ROOT/etc/kubernetes/admin.conf" --request-timeout 30s "$@"; }

ready() { kube get --raw /readyz; }

# encrypt writes the Secrets of a cluster that was made without encryption once more: the
# API server encrypts what it writes. One that is changed meanwhile is encrypted by
# that, and makes this fail and begin again.
encrypt() {
	await 30 rewrite || die "Secrets that were there before could not be encrypted within etcd: $(tail -n 5 "$STATE/encrypt.log")"
	touch "$STATE/encrypted"
}

# Never to a file, nor to the log: it is what the Secrets hold.
rewrite() {
	kube get secrets --all-namespaces -o json 2>"$STATE/encrypt.log" | kube replace -f - >/dev/null 2>>"$STATE/encrypt.log"
}

# rename renews the API's certificate. The API server reads it again by itself,
# so no connection breaks.
rename() {
	pki=$ROOT/etc/kubernetes/pki
	new=$STATE/pki
	rm -rf "$new"
	mkdir -m 0700 "$new"
	# kubeadm looks for the authority where it puts the certificate, and leaves a
	# certificate that is there as it is.
	ln -s "$pki/ca.crt" "$pki/ca.key" "$new"
	printf '%s\n' "$CERTIFICATE" >"$STATE/certificate.yaml"
	quietly certificate kubeadm init phase certs apiserver --config "$STATE/certificate.yaml"
	mv "$new/apiserver.key" "$pki/apiserver.key"
	mv "$new/apiserver.crt" "$pki/apiserver.crt"
	await 180 serves || die "the Kubernetes API does not use its new certificate: is it running? Its logs are in /var/log/pods on the machine"
	rm -rf "$new"
	printf '%s\n' "$NAMES" | put "$STATE/names"
}

# serves: the API proves itself by its newest certificate.
serves() { [ "$(openssl s_client -connect 127.0.0.1:6443 </dev/null 2>/dev/null | fingerprint 2>/dev/null)" = "$(fingerprint <"$pki/apiserver.crt")" ]; }

fingerprint() { openssl x509 -noout -fingerprint -sha256; }

main "$@" </dev/null
