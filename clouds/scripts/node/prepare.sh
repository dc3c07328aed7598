# Makes a machine fit for kubeadm: containerd, kubeadm, kubelet, kubectl, CNI
# plugins. What an image brings along of this very version is used as it is.
#
# VERSION   of Kubernetes: v1.35.4
# PACKAGES  URL of a mirror of https://pkgs.k8s.io, or empty
# MIRROR    URL of a registry that serves every image, or empty
main() {
	exclusively
	check_kernel
	# The first file says that packages of ours are perhaps half installed.
	found=$(installed)
	if [ -e "$STATE/packages" ] && [ ! -e "$STATE/packages.done" ] || [ "$found" != "$VERSION $VERSION" ]; then
		install_packages
		found=$(installed)
	fi
	check_versions
	mirror
}

check_kernel() {
	for key in ip_forward:net/ipv4/ip_forward bridge-nf-call-iptables:net/bridge/bridge-nf-call-iptables; do
		value=$(cat "$ROOT/proc/sys/${key#*:}" 2>/dev/null) || value=missing
		[ "$value" = 1 ] || die "expected kernel setting ${key%%:*} to be 1, found $value: is module br_netfilter there, and has cloud-init applied /etc/sysctl.d/90-kubernetes.conf?"
	done
}

install_packages() {
	# A running node must be upgraded the kubeadm way, one component at a time.
	[ ! -e "$ROOT/etc/kubernetes/kubelet.conf" ] || die "this node runs Kubernetes ${found#* }, and kubernetesVersion is $VERSION: if it has been upgraded by hand, set kubernetesVersion to what it runs; otherwise replace the machine"
	touch "$STATE/packages"
	say "installing Kubernetes $VERSION from ${PACKAGES:-https://pkgs.k8s.io}"
	# The file says that containerd is ours, perhaps half installed.
	command -v containerd >/dev/null || touch "$STATE/containerd"
	repository
	command -v conntrack >/dev/null || others=conntrack
	[ ! -e "$STATE/containerd" ] || others="containerd runc ${others-}"
	# shellcheck disable=SC2086 # one word each
	install ${others-} kubeadm kubelet kubectl
	[ ! -e "$STATE/containerd" ] || configure_containerd
	touch "$STATE/packages.done"
}

configure_containerd() {
	runs=$(containerd --version 2>/dev/null | cut -d ' ' -f 3) || runs=none
	case ${runs#v} in
	'' | none | [01].*) die "expected containerd 2 or newer from the image's packages, found ${runs:-none}: give the machine an image that has it, such as Ubuntu 24.04" ;;
	esac
	pause=$(kubeadm config images list --kubernetes-version "$VERSION" 2>/dev/null | grep /pause:) || die "kubeadm config images list: expected a pause image, found none"
	put "$ROOT"/etc/containerd/config.toml <<-EOT
		version = 3
		[plugins."io.containerd.cri.v1.images".pinned_images]
		  sandbox = "$pause"
		[plugins."io.containerd.cri.v1.images".registry]
		  config_path = "/etc/containerd/certs.d"
		[plugins."io.containerd.cri.v1.runtime".cni]
		  bin_dirs = ["/opt/cni/bin"]
		  conf_dir = "/etc/cni/net.d"
		[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
		  runtime_type = "io.containerd.runc.v2"
		[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
		  SystemdCgroup = true
	EOT
	quietly containerd systemctl restart containerd
}

check_versions() {
	for tool in kubeadm kubelet kubectl containerd runc openssl; do
		command -v $tool >/dev/null || die "expected $tool to be installed, found kubeadm without it: give the machine an image that has all of them, or none"
	done
	[ "$found" = "$VERSION $VERSION" ] || die "expected kubeadm and kubelet $VERSION after their packages were installed, found $found: does the image have others before them on the PATH?"
	mkdir -p "$ROOT/opt/cni/bin"
	# The mesh brings its own plugin and needs these two beside it.
	for plugin in loopback portmap; do
		[ -x "$ROOT/opt/cni/bin/$plugin" ] && continue
		# Where Debian's package containernetworking-plugins has them.
		[ -x "$ROOT/usr/lib/cni/$plugin" ] || die "expected the CNI plugin $plugin in /opt/cni/bin, found none: install package kubernetes-cni"
		ln -sf "$ROOT/usr/lib/cni/$plugin" "$ROOT/opt/cni/bin/$plugin"
	done
}

# mirror makes containerd ask one registry for every image, whatever registry its
# name starts with, and no other.
mirror() {
	hosts=$ROOT/etc/containerd/certs.d/_default/hosts.toml
	if [ -z "$MIRROR" ]; then
		rm -f "$hosts"
		return
	fi
	containerd config dump 2>/dev/null | grep -q 'config_path = .*/etc/containerd/certs\.d' ||
		die "containerd's configuration in this image doesn't read /etc/containerd/certs.d, so hybrid:registryMirror can't work: set config_path in its registry section"
	# containerd reads this for each pull.
	put "$hosts" <<-EOT
		server = "$MIRROR"
		[host."$MIRROR"]
		  capabilities = ["pull", "resolve"]
	EOT
}

main "$@" </dev/null
