# delete: ends the peers of a cluster that leaves or is created again, and gives their
# addresses back to the ring. If the cluster is lost that is left to its admission, which
# goes together with the machines.
#
# CLUSTER  whose peers they are
# ADMIN    its administrator's kubeconfig: secret
main() {
	case $2 in
	create) ;; # they come with the DaemonSet
	delete) if end; then reclaim_within 120; fi ;;
	*) die "expected create or delete, found \"$2\"" ;;
	esac
}

# end ends Weave Net in the cluster.
end() {
	file=$STATE/$CLUSTER.conf
	(umask 077 && printf '%s\n' "$ADMIN" | put "$file")
	said=$(kubectl --kubeconfig "$file" --request-timeout 100s -n kube-system delete daemonset weave-net --ignore-not-found --cascade=foreground --timeout=100s 2>&1) && ended=yes || ended=no
	rm -f "$file"
	[ $ended = yes ] || { say "Weave Net could not be ended in $CLUSTER: $(printf '%s\n' "$said" | tail -n 1)"; return 1; }
}

main "$@" </dev/null
