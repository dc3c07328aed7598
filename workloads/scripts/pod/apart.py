"""Has etcd's leader leave this cloud while PostgreSQL's is in it, whose pod runs this.

A new leader of etcd grants all leases their whole time once more: lost together with
PostgreSQL's, it makes a failover take up to 8 s longer. Of the members elsewhere the nearest
leads best, for it has to do with each write.
"""

import json
import os
import ssl
import time
from http.client import HTTPException, HTTPSConnection

TLS = "/etc/psql/etcd/"
HOSTS = [host.rpartition(":")[0] for host in json.load(open("/etc/psql/config/stack.yml"))["etcd3"]["hosts"]]
OWN = "psql-etcd-" + os.environ["NODE"].rpartition("-")[0]
NEAR, FAR = 0.05, 0.1  # seconds there and back, within a continent and between two


class Member:
    def __init__(self, name):
        self.name = name
        context = ssl.create_default_context(cafile=TLS + "ca.crt")
        context.load_cert_chain(TLS + "tls.crt", TLS + "tls.key")
        self.connection = HTTPSConnection(name, 2379, timeout=3, context=context)
        status = self.ask("status", {})  # this one waits for the connection, too
        self.id, self.leader = status["header"]["member_id"], status.get("leader")
        self.distance = min(self.measure() for _ in range(3))

    def measure(self):
        start = time.monotonic()
        self.ask("status", {})
        return time.monotonic() - start

    def ask(self, what, body):
        self.connection.request("POST", "/v3/maintenance/" + what, json.dumps(body))
        response = self.connection.getresponse()
        answer = json.load(response)
        if response.status != 200:
            raise OSError(f"{self.name}: {answer}")
        return answer


def main():
    if OWN not in HOSTS or len(HOSTS) == 1:
        return
    # Where one of them is away, the loss of another is that of the majority: then it is
    # all the same who leads.
    members = [Member(name) for name in HOSTS]
    leader = next(m for m in members if m.id == m.leader)
    best = min((m for m in members if m.name != OWN), key=lambda m: m.distance)
    # A busy link is as slow as a long one: that is no reason to move to another continent.
    if leader.name == OWN or best.distance < NEAR and leader.distance > FAR:
        print(f"etcd's leader moves from {leader.name} to {best.name}")
        leader.ask("transfer-leadership", {"targetID": best.id})


try:
    main()
except (OSError, HTTPException, StopIteration):
    pass  # not now: it is run again
