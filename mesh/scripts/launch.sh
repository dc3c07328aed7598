# Starts the peer, once the API answers at its service address: kube-proxy may not
# have programmed that yet, and whoever dials too early waits for half a minute.
until curl -sk -m 1 -o /dev/null "https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT/livez"; do
	sleep 0.5
done
# One argument for each meeting point; the host's own peers find each other.
exec /home/weave/launch.sh $(cat /mesh/meeting-points)
