# Prints a line for each member, as this member's Patroni knows them: its cloud, role and
# state, and the word restart if it takes some parameters at its next start only.
# patronictl says the same in ten times the processor's time: that is for loading it.
import json
import os
import ssl
from http.client import HTTPSConnection

context = ssl.create_default_context(cafile="/etc/psql/tls/ca.crt")
context.check_hostname = False  # members have addresses only
connection = HTTPSConnection(
    os.environ["PATRONI_RESTAPI_CONNECT_ADDRESS"], timeout=10, context=context
)
connection.request("GET", "/cluster")
for m in json.load(connection.getresponse())["members"]:
    restart = "restart" if m.get("pending_restart") else ""
    print(m.get("tags", {}).get("cloud"), m["role"], m["state"].replace(" ", "-"), restart)
