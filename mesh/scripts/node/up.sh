# Waits until the mesh is really up, as this node sees it: connected to every other
# peer, encrypted; every two others connected; addresses for all.
#
# NODES       names of all peers of all clusters
# RECLAIMS    "yes" on the one node that reclaims what replaced machines owned
# MACHINES, GENERATION  IDs of the machines, and of the DaemonSet's settings: what
#             has been looked at
kube() { kubectl --kubeconfig "$ROOT/etc/kubernetes/admin.conf" --request-timeout 20s "$@"; }

weave() { curl -s -m 5 "http://127.0.0.1:6784/status$1"; }

main() {
	printf '%s\n' "$WEAVE" | put "$ROOT/usr/local/bin/weave"
	chmod 0755 "$ROOT/usr/local/bin/weave"
	# New settings reach one node after the other.
	nodes=$(kube get nodes -o name | grep -c .) || die "the API of this cluster names no nodes"
	if ! await $((120 + 20 * nodes)) complete; then
		# Waiting longer wouldn't help: all peers have their new passwords by now.
		! passwords_differ || give_up
		await 180 complete || give_up
	fi
	[ "$RECLAIMS" != yes ] || reclaim
}

# reclaim gives back to the ring the addresses of peers that are gone and whose node is
# there as another peer: its machine has been replaced, for good. Both must be seen in one
# look: a peer that is only away for a moment would lose what it goes on using.
reclaim() {
	ipam=$(weave /ipam)
	for node in $NODES; do
		printf '%s\n' "$ipam" | grep -v 'unreachable!$' | grep -q "($node) " || continue
		printf '%s\n' "$ipam" | sed -n "s/^\\([^ (]*\\)($node) .* unreachable!\$/\\1/p"
	done | while read -r peer; do
		curl -sf -m 5 -X DELETE "http://127.0.0.1:6784/peer/$peer" >&2 || die "Weave Net did not reclaim the addresses of $peer"
	done
}

complete() {
	missing=$(problems)
	printf '%s\n' "$missing"
	[ -z "$missing" ]
}

# problems prints one line for each thing that is missing.
problems() {
	self=$(weave "" | sed -n 's/^ *Name: .*(\(.*\))$/\1/p')
	if [ -z "$self" ]; then
		echo "Weave Net does not answer on this node"
		return
	fi
	connections=$(weave /connections) peers=$(weave /peers) ipam=$(weave /ipam)
	for node in $NODES; do
		[ "$node" = "$self" ] || printf '%s\n' "$connections" | grep -q " established *encrypted .*($node)" ||
			echo "no encrypted connection to $node"
		printf '%s\n' "$ipam" | grep -v -e ' 0 IPs ' -e 'unreachable!$' | grep -q "($node) " || echo "no addresses for $node"
	done
	renewed=$(kube -n kube-system get daemonset weave-net -o 'jsonpath={.status.updatedNumberScheduled} of {.status.desiredNumberScheduled}' 2>&1)
	[ "$renewed" = "${renewed%% *} of ${renewed%% *}" ] && [ "$renewed" != " of " ] || echo "nodes that have Weave Net as it is to be: $renewed"
	# A line for each peer, followed by its connections.
	printf '%s\n' "$peers" | awk -v nodes="$NODES" -v self="$self" '
		{ name = $0; sub(/\)[^)]*$/, "", name); sub(/.*\(/, "", name) }
		/^[^ ]/ { of = name; next }
		/ established$/ { connected[of, name] = 1 }
		END {
			n = split(nodes, all, " ")
			for (i = 1; i <= n; i++)
				for (j = 1; j <= n; j++)
					if (i != j && all[i] != self && !((all[i], all[j]) in connected))
						print "no connection from " all[i] " to " all[j]
		}'
}

# Weave Net reports the end of a connection, and only its log the cause.
passwords_differ() {
	{ weave /connections | grep -v ' established '; logs; } | grep -q -i -e 'unable to decrypt' -e 'password spec'
}

logs() { cat "$ROOT"/var/log/pods/kube-system_weave-net-*/weave/*.log 2>/dev/null | tail -n 500; }

give_up() {
	reasons=$(weave /connections | grep -v ' established ' | head -n 10)
	why="can nodes of different clusters reach each other on ports 6783/tcp and 6783-6784/udp?"
	if passwords_differ; then
		why="the passwords differ: every cluster must have the same hybrid:weavePassword"
	elif { printf '%s\n' "$reasons"; logs; } | grep -q 'seeded by different peers'; then
		why="there are two meshes: this cluster has been part of another one. Stop Weave Net on its nodes, remove /var/lib/weave/weave-netdata.db there, and start it again"
	fi
	say "$(printf '%s\n' "$SAID" | head -n 20)"
	[ -z "$reasons" ] || say "Weave Net says: $reasons"
	die "the mesh has not come up in time: $why"
}

main "$@" </dev/null
