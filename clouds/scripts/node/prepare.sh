# Makes a machine fit for kubeadm: containerd, kubeadm, kubelet, kubectl, CNI
# plugins. An image that brings them along is used as it is.
#
# VERSION  of Kubernetes: v1.35.4
# MIRROR   URL of a registry that serves every image, or empty
main() {
	exclusively
	check_kernel
	# The file says that the packages are ours, perhaps half installed.
	if [ -e "$STATE/packages" ] || ! command -v kubeadm >/dev/null; then
		install_packages
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
	plain=${VERSION#v}
	minor=${plain%.*}
	found=$(kubelet --version 2>/dev/null | cut -d ' ' -f 2) || found=
	[ "$found" != "$VERSION" ] || [ ! -e "$STATE/packages.done" ] || return 0
	# A running node must be upgraded the kubeadm way, one component at a time.
	[ ! -e "$ROOT/etc/kubernetes/kubelet.conf" ] || die "this node runs Kubernetes $found, and hybrid:kubernetesVersion is $VERSION: upgrade it as in https://kubernetes.io/docs/tasks/administer-cluster/kubeadm/kubeadm-upgrade/, or replace the machine"
	touch "$STATE/packages"
	say "installing containerd and Kubernetes $VERSION from pkgs.k8s.io"
	repository=https://pkgs.k8s.io/core:/stable:/v$minor/deb
	quietly repository-key curl -fsSL --retry 5 --retry-connrefused --max-time 300 -o "$STATE/kubernetes.asc" "$repository/Release.key"
	put "$ROOT"/etc/apt/keyrings/kubernetes.asc <"$STATE/kubernetes.asc"
	echo "deb [signed-by=/etc/apt/keyrings/kubernetes.asc] $repository/ /" | put "$ROOT"/etc/apt/sources.list.d/kubernetes.list
	patiently dpkg dpkg --configure -a
	patiently apt-update apt-get -qq update
	patiently apt-install apt-get -qq -y --allow-change-held-packages install \
		containerd conntrack "kubeadm=$plain-*" "kubelet=$plain-*" "kubectl=$plain-*"
	# An unattended upgrade must not take a node to another version, nor restart what
	# its containers run by.
	patiently apt-hold apt-mark hold containerd runc kubeadm kubelet kubectl
	configure_containerd
	touch "$STATE/packages.done"
}

# patiently NAME COMMAND...: as quietly, but waits for the locks of packages. After the
# first boot Ubuntu's own updates hold them for up to a quarter of an hour; apt-get can
# wait for some of them by itself, dpkg for none.
patiently() {
	PAUSE=5
	await 180 unlocked "$@" || { say "$SAID"; die "another program has held the locks of packages for 15 minutes: end it, then run pulumi up again"; }
	[ -z "$SAID" ] || { say "$SAID"; exit 1; }
}

# unlocked NAME COMMAND...: fails while another program holds a lock; prints what else is
# wrong.
unlocked() {
	told=$(quietly "$@" 2>&1) && return
	printf '%s\n' "$told"
	! grep -q ' lock ' "$STATE/$1.log"
}

configure_containerd() {
	found=$(containerd --version 2>/dev/null | cut -d ' ' -f 3) || found=none
	case ${found#v} in
	'' | none | [01].*) die "expected containerd 2 or newer from the image's packages, found ${found:-none}: give the machine an image that has it, such as Ubuntu 24.04" ;;
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
	found=$(kubeadm version -o short)
	[ "$found" = "$VERSION" ] || die "the image's kubeadm is $found, and hybrid:kubernetesVersion is $VERSION: make them the same"
	found=$(kubelet --version | cut -d ' ' -f 2)
	[ "$found" = "$VERSION" ] || die "the image's kubelet is $found, and hybrid:kubernetesVersion is $VERSION: make them the same"
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
