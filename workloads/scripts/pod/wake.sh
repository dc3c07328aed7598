# Makes Patroni check PostgreSQL as soon as it dies. By itself Patroni checks every loop_wait
# seconds, and until it does, all writes fail.
#
# wake.sh PID: as long as Patroni's process runs.
set -u

running=${ROOT:-}/var/lib/psql/data/postmaster.pid

main() {
	while kill -0 "$1" 2>/dev/null; do
		server=$(head -n 1 "$running" 2>/dev/null)
		if [ -n "$server" ] && kill -0 "$server" 2>/dev/null; then
			tail -f /dev/null -s 0.2 --pid="$server"
			# One that stops in order removes its file.
			[ ! -e "$running" ] || wake
		else
			sleep 1
		fi
	done
}

# wake sends a change of settings that changes nothing: after each one Patroni checks.
wake() {
	python3 -ISc '
import os
import ssl
from http.client import HTTPSConnection

tls = "/etc/psql/tls/"
context = ssl.create_default_context(cafile=tls + "ca.crt")
context.check_hostname = False  # members have addresses only
context.load_cert_chain(tls + "tls.crt", tls + "tls.key")
address = os.environ["PATRONI_RESTAPI_CONNECT_ADDRESS"]
connection = HTTPSConnection(address, timeout=5, context=context)
connection.request("PATCH", "/config", "{\"none\": null}")
connection.getresponse()
' || true # it may be about to end
}

main "$@"
