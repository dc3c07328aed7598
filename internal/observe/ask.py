# Asks the Patroni of this member for the whole and its settings; and then all other
# members', as it does itself before an election, by the same certificates and the same
# Python: what that refuses takes part in no failover, however well it replicates.
# Patroni's own modules would do that in six times the time, which is for loading them.
import json
import os
import ssl
import sys
import threading
from http.client import HTTPSConnection

TLS = "/etc/psql/tls/"

# As Patroni does: the chain is verified, and not the name, since members have addresses.
context = ssl.create_default_context(cafile=TLS + "ca.crt")
context.check_hostname = False
context.load_cert_chain(TLS + "tls.crt", TLS + "tls.key")
own = os.environ["PATRONI_RESTAPI_CONNECT_ADDRESS"]


def get(address, path):
    # Half of what Patroni gives: who waits for this has little time. A connection over
    # an ocean takes three round trips, 0.4 s.
    connection = HTTPSConnection(address, timeout=1, context=context)
    try:
        connection.request("GET", path)
        return json.load(connection.getresponse())
    finally:
        connection.close()


def ask(member):
    try:
        _, _, address, path = member["api_url"].split("/", 3)
        get(address, "/" + path)
        asked[member["name"]] = None
    except Exception as e:  # each of them keeps Patroni from asking
        asked[member["name"]] = str(e) or type(e).__name__


cluster = get(own, "/cluster")
asked = {}
asking = [
    threading.Thread(target=ask, args=(m,))
    for m in cluster["members"]
    if m["name"] != os.environ["PATRONI_NAME"]
]
for one in asking:
    one.start()
for one in asking:
    one.join()
json.dump({"cluster": cluster, "config": get(own, "/config"), "asked": asked}, sys.stdout)
