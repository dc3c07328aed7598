# Renews kubeadm's certificates on the control plane before they end: when less than a
# third of their life is left, and less than a month. init puts it down, after lib.sh; a
# timer runs it.
#
# The API server and etcd read renewed files by themselves. The controller manager and
# the scheduler have theirs in a kubeconfig, which they read once: they are ended one
# after the other, and the kubelet starts them again.
export KUBECONFIG="$ROOT/etc/kubernetes/admin.conf"

# A month, in seconds.
MONTH=2592000
# Is there from the renewal until the last component has been started again.
BEGUN=$STATE/renewing

main() {
	due=
	for file in "$ROOT"/etc/kubernetes/pki/*.crt "$ROOT"/etc/kubernetes/pki/etcd/*.crt; do
		case $file in */ca.crt | */front-proxy-ca.crt) continue ;; esac
		ends_soon "$file" && due="$due $file"
	done
	[ -n "$due" ] || [ -e "$BEGUN" ] || exit 0
	echo "renewing the certificates:$due"
	touch "$BEGUN"
	kubeadm certs renew all
	restart controller-manager
	restart scheduler
	rm "$BEGUN"
}

# ends_soon FILE: less than a third of its life is left, and less than a month.
ends_soon() {
	from=$(date -d "$(openssl x509 -in "$1" -noout -startdate | cut -d = -f 2)" +%s)
	until=$(date -d "$(openssl x509 -in "$1" -noout -enddate | cut -d = -f 2)" +%s)
	margin=$(((until - from) / 3))
	[ $margin -lt $MONTH ] || margin=$MONTH
	[ $((until - $(date +%s))) -lt $margin ]
}

# restart COMPONENT: ends it, and waits until another process of it leads.
restart() {
	before=$(holder "$1")
	pkill -TERM -f -- "--kubeconfig=/etc/kubernetes/$1.conf" || true
	await 180 succeeded "$1" "$before" || die "expected kube-$1 to work again with its new certificate, found nothing of it for 3 minutes: see its logs in /var/log/pods"
}

# succeeded COMPONENT BEFORE: another process leads than before.
succeeded() { now=$(holder "$1") && [ -n "$now" ] && [ "$now" != "$2" ]; }

# holder COMPONENT: the process that leads.
holder() { kubectl -n kube-system get lease "kube-$1" -o 'jsonpath={.spec.holderIdentity}'; }

main "$@" </dev/null
