"""Looks after etcd's leader.

It leaves this cloud while PostgreSQL's leader is in it, whose pod runs this with an argument.
A new leader of etcd grants all leases their whole time once more: lost together with
PostgreSQL's, it makes a failover take up to 8 s longer. Of the members elsewhere the nearest
leads best, for it has to do with each write.

And it changes until Patroni believes etcd. Each change is a term, and Patroni takes an etcd
that has a lower one than before for one that lags: one whose data were lost begins anew, and
would be passed over for ever.
"""

import json
import os
import ssl
import sys
import time
from http.client import HTTPException, HTTPSConnection

TLS, OWN_TLS = "/etc/psql/etcd/", "/etc/psql/tls/"
HOSTS = [host.rpartition(":")[0] for host in json.load(open("/etc/psql/config/stack.yml"))["etcd3"]["hosts"]]
OWN = "psql-etcd-" + os.environ["NODE"].rpartition("-")[0]
NEAR, FAR = 0.05, 0.1  # seconds there and back, within a continent and between two
LONG = 30  # seconds, of which Patroni asks etcd some five times
TERMS = 5  # at once: a few elections make as many


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


def reach():
    """The members that answer."""
    for name in HOSTS:
        try:
            yield Member(name)
        except (OSError, HTTPException):
            pass


def believed():
    """Whether Patroni has had an answer that it took."""
    context = ssl.create_default_context(cafile=OWN_TLS + "ca.crt")
    context.check_hostname = False  # members have addresses only
    context.load_cert_chain(OWN_TLS + "tls.crt", OWN_TLS + "tls.key")
    connection = HTTPSConnection(os.environ["PATRONI_RESTAPI_CONNECT_ADDRESS"], timeout=5, context=context)
    connection.request("GET", "/patroni")
    # 0 until it has had the first.
    last = json.load(connection.getresponse()).get("dcs_last_seen")
    return not last or time.time() - last < LONG


def main():
    if len(HOSTS) == 1:
        return  # see join.py
    new = not believed()
    members = list(reach())
    leader = next(m for m in members if m.id == m.leader)
    if new:
        # One that follows: only with a majority etcd can lead, and change who does.
        other = next(m for m in members if m != leader and m.leader == leader.id)
        print("Patroni doesn't believe etcd, which may have begun anew: its leader changes for the sake of terms")
        for _ in range(TERMS):
            leader.ask("transfer-leadership", {"targetID": other.id})
            leader, other = other, leader
    elif len(sys.argv) > 1 and OWN in HOSTS and len(members) == len(HOSTS):
        # Where one of them is away, the loss of another is that of the majority: then it is
        # all the same who leads.
        live_apart(members, leader)


def live_apart(members, leader):
    best = min((m for m in members if m.name != OWN), key=lambda m: m.distance)
    # A busy link is as slow as a long one: that is no reason to move to another continent.
    if leader.name == OWN or best.distance < NEAR and leader.distance > FAR:
        print(f"etcd's leader moves from {leader.name} to {best.name}")
        leader.ask("transfer-leadership", {"targetID": best.id})


try:
    main()
except (OSError, HTTPException, StopIteration):
    pass  # not now: it is run again
