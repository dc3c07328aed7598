# Creates the cluster on its control plane, once. Later it looks after the names in
# the API's certificate.
#
# CONFIG  kubeadm's documents
# NAMES   names and addresses for which the certificate is to be valid, besides
#         Kubernetes' own
main() {
	exclusively
	if [ -e "$STATE/initialized" ]; then
		[ "$(printf '%s\n' "$CONFIG" | nameless)" = "$(nameless <"$STATE/init.yaml")" ] ||
			say "the cluster is initialized already: changed kubeadm settings count for new clusters only"
		[ "$(cat "$STATE/names" 2>/dev/null)" = "$NAMES" ] || rename
		return
	fi
	printf '%s\n' "$CONFIG" >"$STATE/init.yaml"
	# Left over by an attempt that was interrupted; it has never been of use.
	if [ -d /etc/kubernetes/pki ] || [ -e /etc/kubernetes/kubelet.conf ]; then
		say "removing what an interrupted kubeadm init has left"
		quietly reset kubeadm reset --force --cri-socket unix:///run/containerd/containerd.sock
	fi
	# Without a flag kubeadm prints a token, and output is kept in the state.
	quietly init kubeadm init --config "$STATE/init.yaml" --skip-token-print
	printf '%s\n' "$NAMES" | put "$STATE/names"
	touch "$STATE/initialized"
}

# nameless drops the names from kubeadm's documents.
nameless() {
	awk '/^ *certSANs:/ { names = 1; next } names && /^ *- / { next } { names = 0; print }'
}

# rename makes the API's certificate anew. The API server reads it again by itself,
# so nobody's connection breaks.
rename() {
	pki=/etc/kubernetes/pki
	new=$STATE/pki
	rm -rf "$new"
	mkdir -m 0700 "$new"
	# kubeadm looks for the authority where it puts the certificate, and leaves a
	# certificate that is there as it is.
	ln -s $pki/ca.crt $pki/ca.key "$new"
	printf '%s\n' "$CONFIG" | sed "s|^kind: ClusterConfiguration\$|&\ncertificatesDir: $new|" >"$STATE/certificate.yaml"
	quietly certificate kubeadm init phase certs apiserver --config "$STATE/certificate.yaml"
	mv "$new/apiserver.key" $pki/apiserver.key
	mv "$new/apiserver.crt" $pki/apiserver.crt
	tries=180
	until [ "$(served)" = "$(fingerprint <$pki/apiserver.crt)" ]; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || die "the Kubernetes API does not use its new certificate: is it running? Its logs are in /var/log/pods on the machine"
		sleep 1
	done
	rm -rf "$new"
	printf '%s\n' "$NAMES" | put "$STATE/names"
}

fingerprint() { openssl x509 -noout -fingerprint -sha256; }

# served is what the API shows to those who connect.
served() { openssl s_client -connect 127.0.0.1:6443 </dev/null 2>/dev/null | fingerprint 2>/dev/null; }

main "$@" </dev/null
