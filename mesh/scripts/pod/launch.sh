# Starts the peer, once the API answers at its service address: kube-proxy may not
# have programmed that yet, and whoever dials too early waits for half a minute.
until curl -sS --cacert /var/run/secrets/kubernetes.io/serviceaccount/ca.crt -m 1 -o /dev/null "https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT/livez"; do
	sleep 0.5
done

addresses=$(while read -r address node; do echo "$address"; done </mesh/meeting-points)

# Whether Weave Net runs at one of the meeting points. It doesn't speak HTTP: what
# counts is the connection.
met() {
	urls=
	for address in $addresses; do
		urls="$urls -o /dev/null http://$address:6783/"
	done
	[ -n "$urls" ] && curl -sZ --connect-timeout 2 -m 3 -w '%{time_connect}\n' $urls | grep -q '[1-9]'
}

# The other clusters join only what has been seeded: if they are there, then so is
# the ring, and the host is being made anew. A second ring would never join the
# first. Otherwise the host waits to be called, as the others do every 5 seconds: a
# droplet calls from another address than the one where it is called, so that both
# would call each other, and one of the two connections be closed.
case $IPALLOC_INIT in
consensus=*) if met; then export IPALLOC_INIT=observer; else addresses=; fi ;;
esac

# Each meeting point is an argument; the peers of one cluster find each other.
exec /home/weave/launch.sh $addresses
