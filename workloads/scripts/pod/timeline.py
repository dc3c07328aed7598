"""Reserves the number of the timeline that this member is about to begin as the leader.

PostgreSQL takes the first number that it doesn't know. If a leader is lost right after its
promotion, before any other member knows of it, the next leader would take the same number.
The two timelines would look alike, and a replica of the first would follow the second
without being rewound, with different rows. So numbers are reserved in etcd.

It fails, and Patroni doesn't promote, unless etcd confirms that this member is the leader.
The argument is the member's name: Patroni removes its own variables from the environment.
"""

import base64
import json
import os
import re
import ssl
import sys
from http.client import HTTPException, HTTPSConnection

TLS = "/etc/psql/etcd/"
WAL = "/var/lib/psql/data/pg_wal/"
HOSTS = [host.rpartition(":")[0] for host in json.load(open("/etc/psql/config/stack.yml"))["etcd3"]["hosts"]]
OWN = "psql-etcd-" + os.environ["NODE"].rpartition("-")[0]
PROMOTING = "/run/psql/promoting"  # fence.py looks when it was written


def encoded(text):
    return base64.b64encode(text.encode()).decode()


def reserve(number):
    """Whether the number was free. If the answer is lost it counts as taken, which is safe."""
    key, name = encoded(f"/psql/timelines/{number}"), encoded(sys.argv[1])
    leader = encoded("/service/psql/leader")  # Patroni's
    body = {
        "compare": [
            {"key": leader, "target": "VALUE", "value": name},
            {"key": key, "target": "CREATE", "create_revision": "0"},
        ],
        "success": [{"request_put": {"key": key, "value": name}}],
        "failure": [{"request_range": {"key": leader}}],
    }
    answer = ask(body)
    if answer.get("succeeded"):
        return True
    found = answer["responses"][0]["response_range"].get("kvs", [])
    if [one.get("value") for one in found] != [name]:
        sys.exit("this member does not lead any more")
    return False


def ask(body):
    context = ssl.create_default_context(cafile=TLS + "ca.crt")
    context.load_cert_chain(TLS + "tls.crt", TLS + "tls.key")
    for host in sorted(HOSTS, key=lambda host: host != OWN):
        try:
            connection = HTTPSConnection(host, 2379, timeout=2, context=context)
            connection.request("POST", "/v3/kv/txn", json.dumps(body))
            response = connection.getresponse()
            answer = json.load(response)
            if response.status == 200:
                return answer
            print(f"{host}: {answer}", file=sys.stderr)
        except (OSError, HTTPException) as error:
            print(f"{host}: {error}", file=sys.stderr)
    sys.exit("etcd reserves no timeline")


def history(number):
    return WAL + "%08X.history" % number


def main():
    open(PROMOTING, "w").close()
    known = [int(name[:8], 16) for name in os.listdir(WAL) if re.fullmatch("[0-9A-F]{8}.history", name)]
    current = max(known, default=1)
    number = current + 1
    while not reserve(number):
        print(f"timeline {number} is another member's")
        number += 1
    # PostgreSQL passes over a number that has a history. This one's says that it left the
    # current timeline before all that there is, or PostgreSQL would follow it and count it
    # among its own ancestors. See server.sh for what remains of it without a promotion.
    before = open(history(current)).read() if current > 1 else ""
    for taken in range(current + 1, number):
        with open(history(taken) + ".new", "w") as file:
            file.write(before + f"{current}\t0/1\tanother member has begun it\n")
        os.rename(history(taken) + ".new", history(taken))


main()
