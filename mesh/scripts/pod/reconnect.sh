# Offers the meeting points to the peer, as long as it lacks one of them. Whenever a
# node of the cluster is deleted, Weave Net replaces its list of peers by those of its
# own cluster: without this the next outage would be the last. After a long outage it
# also waits up to six minutes before it tries again, unless it is asked to.
#
# Those that it is connected to it isn't offered: a droplet calls from another address
# than the one where it is called, so it would be called again, and one of the two
# connections closed.
while sleep 5; do
	connected=$(curl -s -m 5 http://127.0.0.1:6784/status/connections | grep ' established ')
	while read -r address node; do
		case $connected in
		*"($node)"*) ;;
		*) curl -s -m 5 -o /dev/null -d "peer=$address" http://127.0.0.1:6784/connect ;;
		esac
	done </mesh/meeting-points
done
