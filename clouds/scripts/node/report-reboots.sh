# Tells the cluster that this machine waits for a reboot, and for which packages, as those of
# Debian and Ubuntu say when they have been updated: by an annotation of its node. init and
# join put it down, after lib.sh; a timer runs it.
export KUBECONFIG="$ROOT/etc/kubernetes/kubelet.conf"

main() {
	waits=
	if [ -e "$ROOT/var/run/reboot-required" ]; then
		waits=$(sort -u "$ROOT/var/run/reboot-required.pkgs" 2>/dev/null | tr '\n' ' ')
		waits=${waits:-unknown }
	fi
	[ "$waits" != "$(cat "$STATE/reboot-told" 2>/dev/null)" ] || exit 0
	if [ -n "$waits" ]; then
		kubectl annotate node "$(cat "$STATE/node")" --overwrite "hybrid/reboot-required=${waits% }"
	else
		kubectl annotate node "$(cat "$STATE/node")" hybrid/reboot-required-
	fi
	# Without a new line: it is compared.
	printf %s "$waits" | put "$STATE/reboot-told"
}

main "$@" </dev/null
