# ask.py FOLDER: asks the Patroni of this member, which runs with the configuration of
# FOLDER, for the whole and its settings; and then all other members' as it does itself
# before an election, with its own code and certificates: what that refuses takes part
# in no failover, however well it replicates.
import json
import sys
from concurrent.futures import ThreadPoolExecutor

from patroni.config import Config
from patroni.request import PatroniRequest

config = Config(sys.argv[1], None)
request = PatroniRequest(config, True)
own = config["restapi"]["connect_address"]


def get(url):
    # Half of what Patroni gives: who waits for this has little time. A connection over
    # an ocean takes three round trips, 0.4 s.
    return json.loads(request.request("GET", url, timeout=1, retries=0).data)


def ask(member):
    try:
        get(member["api_url"])
        return member["name"], None
    except Exception as e:  # each of them keeps Patroni from asking
        return member["name"], str(getattr(e, "reason", e))


cluster = get("https://%s/cluster" % own)
others = [m for m in cluster["members"] if m["name"] != config["name"]]
with ThreadPoolExecutor(max(1, len(others))) as pool:
    asked = dict(pool.map(ask, others))
json.dump({"cluster": cluster, "config": get("https://%s/config" % own), "asked": asked}, sys.stdout)
