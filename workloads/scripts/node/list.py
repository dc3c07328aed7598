# Prints a line for each member, as this member's Patroni knows them: its cloud, role and
# state, and the word restart if it takes some parameters at its next start only.
# patronictl says the same in ten times the processor's time: that is for loading it.
import json
import os
import ssl
from http.client import HTTPSConnection

context = ssl.create_default_context(cafile="/etc/psql/tls/ca.crt")
context.check_hostname = False  # members have addresses only


def ask(path):
    connection = HTTPSConnection(
        os.environ["PATRONI_RESTAPI_CONNECT_ADDRESS"], timeout=10, context=context
    )
    connection.request("GET", path)
    return json.load(connection.getresponse())


own = ask("/patroni")
for m in ask("/cluster")["members"]:
    # Patroni tells etcd of itself some seconds later.
    at = own if m["name"] == os.environ["PATRONI_NAME"] else m
    restart = "restart" if at.get("pending_restart") else ""
    print(m.get("tags", {}).get("cloud"), m["role"], m["state"].replace(" ", "-"), restart)
