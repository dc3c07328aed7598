# Tells the cluster, by an annotation of its node, whether this machine waits for a reboot, and
# for which packages, as those of Debian and Ubuntu say when they have been updated. Reboots
# it if the cluster asks for that: see "hybrid reboot". init and join put it down, after
# lib.sh; a timer runs it.
export KUBECONFIG="$ROOT/etc/kubernetes/kubelet.conf"

main() {
	node=$(cat "$STATE/node")
	boot=$(cat "$ROOT/proc/sys/kernel/random/boot_id")
	said=$(kubectl get node "$node" --request-timeout 20s -o 'jsonpath={.metadata.annotations.hybrid/reboot-required}={.metadata.annotations.hybrid/reboot}')
	waits=no
	if [ -e "$ROOT/var/run/reboot-required" ]; then
		waits=$(sort -u "$ROOT/var/run/reboot-required.pkgs" 2>/dev/null | tr '\n' ' ')
		waits=${waits:-unknown }
		waits=${waits% }
	fi
	[ "$waits" = "${said%=*}" ] || kubectl annotate node "$node" --overwrite --request-timeout 20s "hybrid/reboot-required=$waits"
	# It is asked for by the ID of the boot that is to end, so it happens once.
	if [ -n "$boot" ] && [ "${said##*=}" = "$boot" ]; then
		say "$node reboots, as it is asked"
		systemctl reboot
	fi
}

main "$@" </dev/null
