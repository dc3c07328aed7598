"""Makes backups while this member leads, and says in a file how they are.

backup.py             does so for good
backup.py now [TYPE]  makes one now: full, or of what has changed (incr)
backup.py list        prints what it says of them
"""

import glob
import json
import os
import subprocess
import sys
import threading
import time

CONF = "/etc/psql/backup/pgbackrest.conf"
SETTINGS = "/etc/psql/config/backup.json"
STATE = "/run/psql/backup.json"
DROPPED = "/var/lib/psql/dropped"  # by pgbackrest-push.sh: the log in the bucket has a gap
WAITING = "/var/lib/psql/data/pg_wal/archive_status/*.ready"
EVERY = 10  # seconds
PATIENCE = 60  # seconds that the bucket has to answer


def pgbackrest(*argv, within=None):
    """Runs it, for so many seconds at most, and returns what it prints. Its complaint is the error."""
    command = ["pgbackrest", "--config=" + CONF, "--stanza=psql", *argv]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=within)
    except subprocess.TimeoutExpired:
        raise OSError("the bucket doesn't answer") from None
    if done.returncode:
        complaints = [line.split("ERROR:", 1)[1].strip() for line in done.stdout.splitlines() if "ERROR:" in line]
        raise OSError(complaints[0] if complaints else f"pgbackrest {argv[-1]}: exit status {done.returncode}: {done.stdout[-500:]}")
    return done.stdout


def leads():
    done = subprocess.run(["psql", "-XAtq", "-U", "postgres", "-c", "SELECT pg_is_in_recovery()"], capture_output=True, text=True)
    return done.stdout.strip() == "f"


def backups():
    """Those that are whole, the oldest first."""
    found = json.loads(pgbackrest("--output=json", "info", within=PATIENCE))
    wrong = [s["status"]["message"] for s in found if s["status"]["code"] not in (0, 2)]  # 2: no backup yet
    if wrong:
        raise OSError(f"the bucket can't be read: {wrong[0]}")
    return [
        {"label": b["label"], "type": b["type"], "start": b["timestamp"]["start"], "stop": b["timestamp"]["stop"],
         "bytes": b["info"]["size"], "stored": b["info"]["repository"]["delta"]}
        for stanza in found for b in stanza.get("backup", []) if not b.get("error")
    ]


def due(made, settings):
    """The type of the next backup, if it is time for one."""
    now = time.time()
    full = [b["stop"] for b in made if b["type"] == "full"]
    if not full or now - full[-1] >= settings["fullHours"] * 3600:
        return "full"
    if os.path.exists(DROPPED) or now - made[-1]["stop"] >= settings["incrementalHours"] * 3600:
        return "incr"
    return None


def make(kind):
    """Makes a backup. From its start on the log in the bucket is whole again."""
    dropped = os.path.exists(DROPPED)
    pgbackrest("--type=" + kind, "backup")
    if dropped:
        os.remove(DROPPED)


def lag():
    """How long the first finished segment of the log has waited for the bucket, in seconds."""
    times = []
    for path in glob.glob(WAITING):
        try:
            times.append(os.stat(path).st_mtime)
        except FileNotFoundError:
            pass  # it has arrived meanwhile
    return max(0, time.time() - min(times)) if times else 0


class State:
    """What is told of the backups. A file has it, written every few seconds, however long one takes."""

    def __init__(self):
        self.leads, self.backups, self.error, self.since = False, [], "", time.time()
        threading.Thread(target=self.tell, daemon=True).start()

    def tell(self):
        while True:
            if self.leads:
                with open(STATE + ".new", "w") as file:
                    json.dump({"at": time.time(), "since": self.since, "backups": self.backups, "error": self.error, "lag": lag(), "dropped": os.path.exists(DROPPED)}, file)
                os.rename(STATE + ".new", STATE)
            elif os.path.exists(STATE):
                os.remove(STATE)
            time.sleep(EVERY)


def forever():
    state, created = State(), None
    while True:
        try:
            if not os.path.exists(CONF) or not leads():
                state.leads, created = False, None
                continue
            keys = os.stat(CONF).st_mtime
            if created != keys:
                pgbackrest("stanza-create", within=PATIENCE)
                created = keys
            state.backups = backups()
            with open(SETTINGS) as file:
                kind = due(state.backups, json.load(file))
            state.error, state.leads = "", True
            if kind:
                make(kind)
                state.backups = backups()
        except OSError as e:
            state.error, state.leads = str(e), True
            print("backup:", e, file=sys.stderr, flush=True)
        finally:
            time.sleep(EVERY)


def main():
    if sys.argv[1:] == ["list"]:
        if not os.path.exists(CONF):
            sys.exit("there are no backups: hybrid:backup is not enabled")
        with open(STATE) as file:
            print(file.read())
        return
    if sys.argv[1:2] != ["now"]:
        forever()
    if not leads():
        sys.exit("this member doesn't lead")
    try:
        make(sys.argv[2] if len(sys.argv) > 2 else "incr")
        print(json.dumps(backups()[-1]))
    except OSError as e:
        sys.exit(str(e))


main()
