# Takes those members out of etcd that are to go, while there is a majority of what
# there was: new ones let themselves in, see scripts/pod/join.py. Runs on the control plane
# of psql-master's cluster.
#
# MASTER  psql-master's cluster, which has a member
# ETCD    the clusters that are to have one
etcdctl() { kubectl --kubeconfig "$ROOT/etc/kubernetes/admin.conf" --request-timeout 60s -n default exec "psql-etcd-$MASTER-0" -c etcd -- etcdctl "$@"; }

main() {
	now=$(kubectl --kubeconfig "$ROOT/etc/kubernetes/admin.conf" -n default get configmap psql-initialized --ignore-not-found -o 'jsonpath={.data.etcd}')
	[ "$now" != "$ETCD" ] || exit 0
	if ! members=$(etcdctl member list 2>&1); then
		# Where no database has been there is no etcd to ask, or a cluster just became
		# psql-master's.
		[ -n "$now" ] || exit 0
		die "PostgreSQL's etcd is to have its members in \"$ETCD\" instead of \"$now\", and can't be asked: $members"
	fi
	going=
	for cluster in $(printf '%s\n' "$members" | sed -n 's/^.* psql-etcd-\([^,]*\), .*/\1/p'); do
		case " $ETCD " in *" $cluster "*) continue ;; esac
		# Those that are gone leave first: with one of them still counted, the others may be no
		# majority without one that runs.
		if runs "$cluster"; then going="$going $cluster"; else going="$cluster $going"; fi
	done
	for cluster in $going; do
		id=$(printf '%s\n' "$members" | sed -n "s/^\([0-9a-f]*\), .* psql-etcd-$cluster, .*/\1/p")
		# etcd wants members that have been up for seconds, and takes 5 to say no.
		[ -z "$id" ] || await 20 etcdctl member remove "$id" || die "the member of PostgreSQL's etcd in $cluster can't be taken out: $SAID"
	done
}

runs() { etcdctl --endpoints "https://psql-etcd-$1:2379" endpoint health >/dev/null 2>&1; }

main "$@" </dev/null
