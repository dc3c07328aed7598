# How Kubernetes' packages come onto a machine: its own repository, one per minor version.
# Before the scripts that install some.
#
# VERSION   of Kubernetes: v1.35.4
# PACKAGES  URL of a mirror of https://pkgs.k8s.io, or empty

# repository makes apt know the repository of the version.
repository() {
	plain=${VERSION#v}
	url=${PACKAGES:-https://pkgs.k8s.io}/core:/stable:/v${plain%.*}/deb
	quietly repository-key curl -fsSL --retry 5 --retry-connrefused --max-time 300 -o "$STATE/kubernetes.asc" "$url/Release.key"
	put "$ROOT/etc/apt/keyrings/kubernetes.asc" <"$STATE/kubernetes.asc"
	echo "deb [signed-by=/etc/apt/keyrings/kubernetes.asc] $url/ /" | put "$ROOT/etc/apt/sources.list.d/kubernetes.list"
	patiently dpkg dpkg --configure -a
	patiently apt-update apt-get -qq update
}

# install PACKAGE...: those of Kubernetes, of the version, and others by their names.
install() {
	packages='' held=''
	for package; do
		case $package in
		kube*) packages="$packages $package=${VERSION#v}-*" held="$held $package" ;;
		containerd | runc) packages="$packages $package" held="$held $package" ;;
		*) packages="$packages $package" ;;
		esac
	done
	# One word each.
	# shellcheck disable=SC2086
	patiently apt-install apt-get -qq -y --allow-change-held-packages install $packages
	# An unattended upgrade must not take a node to another version, nor restart what
	# its containers run by.
	# shellcheck disable=SC2086
	patiently apt-hold apt-mark hold $held
}

# patiently NAME COMMAND...: as quietly, but waits for the locks of packages. After the
# first boot Ubuntu's own updates hold them for up to a quarter of an hour; apt-get can
# wait for some of them by itself, dpkg for none.
patiently() {
	PAUSE=5
	await 180 unlocked "$@" || { say "$SAID"; die "another program has held the locks of packages for 15 minutes: end it, then run pulumi up again"; }
	PAUSE=1
	[ -z "$SAID" ] || { say "$SAID"; exit 1; }
}

# unlocked NAME COMMAND...: fails while another program holds a lock; prints what else is
# wrong.
unlocked() {
	told=$(quietly "$@" 2>&1) && return
	printf '%s\n' "$told"
	! grep -q ' lock ' "$STATE/$1.log"
}

# installed is the version of kubeadm, and that of the kubelet.
installed() {
	printf '%s %s\n' "$(kubeadm version -o short 2>/dev/null)" "$(kubelet --version 2>/dev/null | cut -d ' ' -f 2)"
}
