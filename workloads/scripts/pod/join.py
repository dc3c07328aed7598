"""Says how etcd is to start, in a file: as one of a new etcd, or into one that exists.

A member whose data are lost, that had been taken out, or that is one more than there
were, asks the others to let it in. NAME is the member's.
"""

import json
import os
import secrets
import shutil
import ssl
import sys
import time
import urllib.request

DATA = "/var/lib/etcd/data"
TLS = "/etc/psql/tls/"
NAME = os.environ["NAME"]
SETTINGS = json.load(open("/etc/psql/config/etcd.json"))
URLS = dict(one.split("=", 1) for one in SETTINGS["initial-cluster"].split(","))


def ask(host, what, body, timeout=5):
    context = ssl.create_default_context(cafile=TLS + "ca.crt")
    context.load_cert_chain(TLS + "tls.crt", TLS + "tls.key")
    url = f"https://{host}:2379/v3/cluster/member/{what}"
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=timeout, context=context) as answer:
        return json.load(answer)


def existing():
    """The members of the etcd that the others have, and who said so."""
    for host in sorted(URLS):
        if host != NAME:
            try:
                # It says what it has. One that is about to start, as all are at first,
                # takes the connection and no more: that mustn't keep this one.
                return host, ask(host, "list", {"linearizable": False}, 2)["members"]
            except OSError as error:
                print(f"{host}: {error}", file=sys.stderr)
    return None, []


def enter():
    host, members = existing()
    if not members:
        return  # none has begun, or can be asked
    own = [m for m in members if m["peerURLs"] == [URLS[NAME]]]
    if os.path.isdir(DATA + "/member"):
        if own:
            return
        shutil.rmtree(DATA)
    # A member says where its clients find it when it has started for the first time.
    if own and not own[0].get("clientURLs") and own[0].get("name"):
        return  # one of the first members, and the others have begun without it
    if own and own[0].get("clientURLs"):
        print(f"this member's data are lost: {host} lets it in again", file=sys.stderr)
        ask(host, "remove", {"ID": own[0]["ID"]})
        own = []
    if not own:
        members = ask(host, "add", {"peerURLs": [URLS[NAME]]})["members"]
    known = {m["peerURLs"][0]: m.get("name") for m in members}
    names = {url: name for name, url in URLS.items()}
    SETTINGS["initial-cluster"] = ",".join(f"{name or names.get(url)}={url}" for url, name in known.items())
    SETTINGS["initial-cluster-state"] = "existing"


def main():
    SETTINGS["name"] = NAME
    # Each new etcd is another. Patroni would take one that began anew, without data, for the
    # former, and for one that lags. Several members can't agree on this: see apart.py.
    if len(URLS) == 1:
        SETTINGS["initial-cluster-token"] = secrets.token_hex(8)
    for what in ("initial-advertise-peer-urls", "advertise-client-urls"):
        SETTINGS[what] = SETTINGS[what].replace("NAME", NAME)
    while True:
        try:
            enter()
            break
        except OSError as error:  # without a majority, say
            print(f"not let in: {error}", file=sys.stderr)
            time.sleep(2)
    with open("/run/etcd/etcd.json", "w") as file:
        json.dump(SETTINGS, file)


main()
