#!/bin/sh
# Runs Weave's router on a node of a Kubernetes cluster. Arguments are addresses of
# further peers, and options of weaver.
#
#   CONN_LIMIT          how many peers the router connects to at most (200)
#   DB_PREFIX           its data: <prefix>data.db (/weavedb/weave-net)
#   EXPECT_NPC          0: no network policy controller will run (1)
#   EXTRA_ARGS          further options of weaver
#   HOST_ROOT           where parts of the node's file system are mounted (/host)
#   HOSTNAME            the node's name
#   INIT_CONTAINER      true: init.sh has run already
#   IPALLOC_INIT        consensus=<peers>, observer or seed=<peers> (consensus=<known peers>)
#   IPALLOC_RANGE       of all pods of all clusters, CIDR (10.32.0.0/12)
#   IPTABLES_BACKEND    nft: this image has no other
#   KUBE_PEERS          addresses of the cluster's other nodes (asks Kubernetes)
#   NO_MASQ_LOCAL       0: hide clients' addresses from the node's own pods (1)
#   WEAVE_DEBUG         show every command
#   WEAVE_EXPOSE_IP     the node's address in the mesh, CIDR (an allocated one)
#   WEAVE_HTTP_ADDR     the router's control port (127.0.0.1:6784)
#   WEAVE_METRICS_ADDR  its metrics (0.0.0.0:6782)
#   WEAVE_MTU           of the pods' network (weaver's default)
#   WEAVE_NO_FASTDP     anything: do without the kernel's Open vSwitch
#   WEAVE_STATUS_ADDR   show its status there, too
#
# weaver itself reads WEAVE_PASSWORD and CHECKPOINT_DISABLE.
set -eu
[ -z "${WEAVE_DEBUG-}" ] || set -x
here=${0%/*}
control=${WEAVE_HTTP_ADDR:-127.0.0.1:6784}
database=${DB_PREFIX:-/weavedb/weave-net}
range=${IPALLOC_RANGE:-10.32.0.0/12}
root=${HOST_ROOT:-/host}
# shellcheck disable=SC3028 # the container's environment has it
node=${HOSTNAME-}

main() {
	[ "${IPTABLES_BACKEND:-nft}" = nft ] || die "IPTABLES_BACKEND is $IPTABLES_BACKEND, and this image has only nft: set it to nft, or leave it out"
	[ "${INIT_CONTAINER-}" = true ] || "$here/init.sh"
	weaveutil netcheck "$range" weave
	[ -n "${KUBE_PEERS-}" ] || KUBE_PEERS=$("$here/kube-utils") || die "Kubernetes doesn't tell who the cluster's other nodes are"
	# shellcheck disable=SC2086 # several options
	peer=$("$here/weaver" ${EXTRA_ARGS-} --print-peer-name --host-root="$root" --db-prefix="$database")
	[ -n "$peer" ] || die "weaver --print-peer-name: want this peer's name, found nothing"
	forget_if_removed
	after_start &
	run "$@"
}

die() {
	echo "$*" >&2
	exit 1
}

# forget_if_removed deletes the data of a peer whose node was deleted from the
# cluster and came back: others have its addresses now.
forget_if_removed() {
	if [ -e "${database}data.db" ] && weaveutil get-db-flag "$database" peer-reclaim >/dev/null &&
		"$here/kube-utils" -check-peer-new -peer-name="$peer" -log-level=debug; then
		echo "this peer has been removed from the cluster: it starts from the beginning" >&2
		rm -f "${database}data.db"
	fi
	# Before weaver starts, which keeps its data to itself.
	weaveutil set-db-flag "$database" peer-reclaim ok
}

# after_start does what needs a running router, and then stays to take back the
# addresses of nodes that are deleted.
after_start() {
	until curl -sS -o /dev/null --connect-timeout 3 "http://$control/status" 2>/dev/null; do sleep 0.2; done
	"$here/kube-utils" -reclaim -node-name="$node" -peer-name="$peer" -log-level=debug || true
	expose
	"$here/kube-utils" -set-node-status -node-name="$node"
	exec "$here/kube-utils" -run-reclaim-daemon -node-name="$node" -peer-name="$peer" -log-level=debug
}

# expose gives the node addresses on the mesh, so that it and the pods reach each
# other. An allocation waits until the peers have agreed who has which addresses.
expose() {
	if [ -n "${WEAVE_EXPOSE_IP-}" ]; then
		for cidr in $WEAVE_EXPOSE_IP; do control PUT "/ip/weave:expose/$cidr"; done
	else
		WEAVE_EXPOSE_IP=$(control POST /ip/weave:expose)
	fi
	for cidr in $WEAVE_EXPOSE_IP; do control POST "/expose/$cidr"; done
}

# control asks once, as the fork's launch.sh does: who can't have an address when it
# starts stays without one.
control() {
	curl -sS --fail-with-body --connect-timeout 3 -X "$1" "http://$control$2" || die "weaver: $1 $2 failed"
}

# run becomes weaver, so that weaver gets the signal when the pod shall end.
run() {
	set -- --port=6783 --datapath=datapath --host-root="$root" --name="$peer" \
		--http-addr="$control" --metrics-addr="${WEAVE_METRICS_ADDR:-0.0.0.0:6782}" \
		--docker-api= --no-dns --db-prefix="$database" --ipalloc-range="$range" \
		--conn-limit="${CONN_LIMIT:-200}" "$@"
	[ -z "${WEAVE_STATUS_ADDR-}" ] || set -- --status-addr="$WEAVE_STATUS_ADDR" "$@"
	[ -z "${WEAVE_MTU-}" ] || set -- --mtu="$WEAVE_MTU" "$@"
	[ -z "${WEAVE_NO_FASTDP-}" ] || set -- --no-fastdp "$@"
	[ -z "$node" ] || set -- --nickname="$node" "$@"
	[ "${EXPECT_NPC:-1}" = 0 ] || set -- --expect-npc "$@"
	[ "${NO_MASQ_LOCAL:-1}" = 0 ] || set -- --no-masq-local "$@"
	# shellcheck disable=SC2086 # several peers, several options
	exec "$here/weaver" ${EXTRA_ARGS-} --ipalloc-init="${IPALLOC_INIT:-consensus=$(count $KUBE_PEERS)}" "$@" $KUBE_PEERS
}

count() { echo $#; }

main "$@"
