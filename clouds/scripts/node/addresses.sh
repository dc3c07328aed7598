# Prints the addresses that this machine carries itself: the one that its connections
# come from, and the one in its cluster's network.
#
# NETWORK  range of the cluster's network
# PODS     range of all pods
main() {
	await 60 both || die "expected an address on the way to the internet and one in $NETWORK, found $(ip -4 -o address show 2>&1)"
	both=$SAID
	# Weave Net would refuse to start. Not every region's anchor addresses are known
	# beforehand.
	taken=$(ip -4 route show root "$PODS" 2>/dev/null | grep -v ' dev weave' | head -n 1) || taken=
	[ -z "$taken" ] || die "expected no route to addresses of pods, $PODS, found \"$taken\": set hybrid:podCidr to a range without them"
	printf '%s\n' "$both"
}

both() {
	own=$(own) && [ -n "$own" ] && private=$(private) && [ -n "$private" ] || return 1
	printf '%s %s\n' "$own" "$private"
}

# own asks for the way to an address that stands for the internet (RFC 5737); nothing
# is sent there.
own() { ip -4 route get 192.0.2.1 2>/dev/null | sed -n 's/.* src \([0-9.]*\).*/\1/p'; }

private() { ip -4 -o address show to "$NETWORK" 2>/dev/null | sed -n 's/.* inet \([0-9.]*\).*/\1/p' | head -n 1; }

main "$@" </dev/null
