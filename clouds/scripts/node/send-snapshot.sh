# Sends snapshots of etcd to the bucket, with the keys that a restore needs, from the control
# plane. snapshots.sh puts it down, after lib.sh; a timer runs it.
#
# hybrid-snapshot               sends one if it is time to, or if one has been asked for
# hybrid-snapshot upgrade       sends one now, and says why
# hybrid-snapshot fetch FOLDER  puts the last one of this cluster's life into a folder
#
# The file settings has:
# CLUSTER, NODE   names of the cluster and of its control plane
# LIFE            the machine that the cluster was made with
# MINUTES, DAYS   time between two, and for how long one of each day is kept
# HOURS           time between two rehearsals of a restore
# REGION          of the bucket
# AWS_…, RESTIC_… what restic enters the bucket by, and encrypts with: secret
export KUBECONFIG="$ROOT/etc/kubernetes/admin.conf"
FOLDER=$STATE/snapshots
# What is known of them is in this ConfigMap of kube-system, and so is when one was asked for.
KNOWN=hybrid-snapshots

main() {
	exec 8>"$STATE/snapshot.lock"
	flock -w 600 8 || die "another snapshot has been under way for 10 minutes: see \"fuser -v $STATE/snapshot.lock\""
	set -a
	. "$FOLDER/settings"
	set +a
	if [ "${1-}" = fetch ]; then
		bucket restore latest --host "$CLUSTER" --tag "life=$LIFE" --target "$2" --verify
		return
	fi
	if ! asked=$(kubectl -n kube-system get configmap $KNOWN --ignore-not-found --request-timeout 10s -o 'jsonpath={.metadata.annotations.hybrid/asked}'); then
		# What can't be asked now is asked by the next run. An upgrade has none.
		[ -n "${1-}" ] || exit 0
		die "no snapshot was made, for the cluster's API doesn't answer"
	fi
	why=$(due "${1-}")
	[ -n "$why" ] || return 0
	error=
	# Not in a condition, which would let it go on after a failure.
	take >"$FOLDER/log" 2>&1 &
	if wait $!; then
		date +%s | put "$FOLDER/last"
		if [ "$why" = asked ] || [ $(($(date +%s) - $(at rehearsed))) -ge $((HOURS * 3600)) ]; then
			rehearse >"$FOLDER/rehearsal.log" 2>&1 &
			if wait $!; then
				date +%s | put "$FOLDER/rehearsed"
				unfit=
			else
				unfit=$(ending "$FOLDER/rehearsal.log")
			fi
			printf %s "$unfit" | put "$FOLDER/unfit"
		fi
	else
		error=$(ending "$FOLDER/log")
	fi
	tell || die "what is known of snapshots can't be written down: $(tail -n 3 "$FOLDER/tell.log")"
	printf '%s\n' "$asked" | put "$FOLDER/asked"
	[ -z "$error" ] || die "no snapshot was sent to the bucket: $error"
}

# due WHY: prints why one is to be made now, or nothing.
due() {
	if [ -n "$1" ]; then
		echo "$1"
	elif [ -n "$asked" ] && [ "$asked" != "$(cat "$FOLDER/asked" 2>/dev/null)" ]; then
		echo asked
	elif [ $(($(date +%s) - $(at last))) -ge $((MINUTES * 60)) ]; then
		echo schedule
	fi
}

# at FILE: when something was done last, in seconds since 1970.
at() { cat "$FOLDER/$1" 2>/dev/null || echo 0; }

# ending FILE: the end of a log, for those who look at the whole.
ending() { grep . "$1" | tail -n 3 | cut -c 1-500; }

bucket() {
	[ ! -s "$FOLDER/ca.crt" ] || set -- --cacert "$FOLDER/ca.crt" "$@"
	timeout -k 10 300 restic --cache-dir "$FOLDER/cache" -o s3.bucket-lookup=path -o s3.region="$REGION" "$@"
}

# take makes a snapshot and sends it.
take() {
	now=$FOLDER/now
	rm -rf "$now"
	mkdir -m 0700 "$now"
	pki=/etc/kubernetes/pki/etcd
	save kube-system "etcd-$NODE" /var/lib/etcd etcd.db --cacert $pki/ca.crt --cert $pki/server.crt --key $pki/server.key
	if [ -d "$ROOT/var/lib/federation-etcd/data" ]; then
		files=/etc/federation
		save federation etcd-0 /var/lib/federation-etcd federation.db --endpoints https://127.0.0.1:2379 \
			--cacert $files/ca.crt --cert $files/tls.crt --key $files/tls.key
	fi
	# Certificates are made again, for the address that the machine has then.
	mkdir -p "$now/pki/etcd"
	for file in ca.crt ca.key front-proxy-ca.crt front-proxy-ca.key sa.key sa.pub etcd/ca.crt etcd/ca.key; do
		cp -a "$ROOT/etc/kubernetes/pki/$file" "$now/pki/$file"
	done
	cp -a "$ROOT/etc/kubernetes/hardening/encryption.yaml" "$now"
	open
	bucket backup --host "$CLUSTER" --tag "life=$LIFE" --tag "why=$why" "$now"
	rm -rf "$now"
	prune
	bucket snapshots --json --host "$CLUSTER" >"$FOLDER/list.new"
	mv "$FOLDER/list.new" "$FOLDER/list"
}

# save NAMESPACE POD FOLDER NAME ARG...: has a pod's etcdctl put a snapshot into the folder
# that its data is in, and takes it from there.
save() {
	namespace=$1 pod=$2 from=$ROOT$3/hybrid-snapshot.db to=$now/$4
	shift 4
	timeout 120 kubectl -n "$namespace" exec "$pod" -c etcd -- etcdctl "$@" snapshot save /var/lib/etcd/hybrid-snapshot.db
	chmod 0600 "$from"
	mv "$from" "$to"
}

# rehearse fetches what a restore would, and has etcd's data made of it, in a place of its
# own.
rehearse() {
	scratch=$FOLDER/rehearsal try=$ROOT/var/lib/etcd/hybrid-rehearsal
	rm -rf "$scratch" "$try"
	# All that is there, also what the last snapshot has no need of.
	bucket check --read-data
	bucket restore latest --host "$CLUSTER" --tag "life=$LIFE" --target "$scratch" --verify
	found=$scratch$FOLDER/now
	for file in pki/ca.key pki/sa.key pki/etcd/ca.key encryption.yaml; do
		[ -s "$found/$file" ] || { echo "the snapshot lacks $file"; return 1; }
	done
	for db in etcd.db federation.db; do
		[ -e "$found/$db" ] || continue
		mkdir -m 0700 "$try"
		mv "$found/$db" "$try"
		timeout 120 kubectl -n kube-system exec "etcd-$NODE" -c etcd -- etcdutl snapshot restore "/var/lib/etcd/hybrid-rehearsal/$db" --data-dir /var/lib/etcd/hybrid-rehearsal/data
		rm -rf "$try"
	done
	rm -rf "$scratch"
}

# open makes the bucket's part that is this cluster's, once.
open() {
	bucket cat config >"$FOLDER/config.log" 2>&1 && return
	if grep -q 'does not exist' "$FOLDER/config.log"; then
		bucket init
	else
		cat "$FOLDER/config.log"
		return 1
	fi
}

# prune removes those that needn't be kept, once a day.
prune() {
	[ "$(cat "$FOLDER/pruned" 2>/dev/null)" != "$(date +%F)" ] || return 0
	bucket unlock # of an owner that is gone
	bucket forget --host "$CLUSTER" --group-by host --keep-within 1d --keep-within-daily "${DAYS}d" --prune
	date +%F | put "$FOLDER/pruned"
}

# tell writes down what there is, for all who may read the cluster.
tell() {
	[ -e "$FOLDER/list" ] || echo '[]' >"$FOLDER/list"
	kubectl -n kube-system create configmap $KNOWN --dry-run=client -o yaml --from-literal "last=$(at last)" --from-literal "error=$error" \
		--from-literal "rehearsed=$(at rehearsed)" --from-literal "unfit=$(cat "$FOLDER/unfit" 2>/dev/null)" --from-literal "hours=$HOURS" \
		--from-literal "minutes=$MINUTES" --from-literal "answers=$asked" --from-file "list=$FOLDER/list" 2>"$FOLDER/tell.log" |
		kubectl apply --server-side --force-conflicts --field-manager hybrid --request-timeout 20s -f - >>"$FOLDER/tell.log" 2>&1
}

main "$@" </dev/null
