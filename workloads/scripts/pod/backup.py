"""Makes backups while this member leads, rehearses their restore, and says in a file how
they are.

backup.py             does so for good
backup.py now [TYPE]  makes one now: full, or of what has changed (incr)
backup.py list        prints what it says of them
"""

import glob
import json
import os
import re
import subprocess
import sys
import threading
import time

CONF = "/etc/psql/backup/pgbackrest.conf"
SETTINGS = "/etc/psql/config/backup.json"
RESTORE = "/etc/psql/scripts/restore.py"
STATE = "/run/psql/backup.json"
UNFIT = "/run/psql/unfit"  # by restore.py: why the last rehearsal has failed
WAITING = "/var/lib/psql/data/pg_wal/archive_status/*.ready"
EVERY = 10  # seconds
LOOK = 60  # seconds between two looks for gaps
AGAIN = 3600  # seconds from a rehearsal that has failed to the next
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


def sql(text):
    return subprocess.run(["psql", "-XAtq", "-U", "postgres", "-c", text], capture_output=True, text=True).stdout.strip()


def leads():
    return sql("SELECT pg_is_in_recovery()") == "f"


def backups():
    """Those that are whole, the oldest first."""
    found = json.loads(pgbackrest("--output=json", "info", within=PATIENCE))
    if any(s["status"]["code"] in (1, 3) for s in found):  # the bucket is a new one
        pgbackrest("stanza-create", within=PATIENCE)
        found = json.loads(pgbackrest("--output=json", "info", within=PATIENCE))
    wrong = [s["status"]["message"] for s in found if s["status"]["code"] not in (0, 2)]  # 2: no backup yet
    if wrong:
        raise OSError(f"the bucket can't be read: {wrong[0]}")
    return [
        {"label": b["label"], "type": b["type"], "start": b["timestamp"]["start"], "stop": b["timestamp"]["stop"],
         "bytes": b["info"]["size"], "stored": b["info"]["repository"]["delta"], "until": b["archive"]["stop"],
         "rehearsed": int(b.get("annotation", {}).get("rehearsed", 0))}
        for stanza in found for b in stanza.get("backup", []) if not b.get("error")
    ]


def rehearsed(made):
    """When a restore was last rehearsed well, in Unix time; 0 if never."""
    return max([b["rehearsed"] for b in made], default=0)


def failed(made):
    """When a rehearsal has failed since, in Unix time; 0 if none has."""
    try:
        at = os.stat(UNFIT).st_mtime
    except FileNotFoundError:
        return 0
    return at if at > rehearsed(made) else 0


def due(made, settings, gap):
    """The type of the next backup, if it is time for one."""
    now = time.time()
    full = [b["stop"] for b in made if b["type"] == "full"]
    if not full or now - full[-1] >= settings["fullHours"] * 3600:
        return "full"
    if gap or now - made[-1]["stop"] >= settings["incrementalHours"] * 3600:
        return "incr"
    return None


def rehearsal_due(made, settings):
    now = time.time()
    return bool(made) and now - rehearsed(made) >= settings["rehearsalHours"] * 3600 and now - failed(made) >= AGAIN


def lag():
    """How long the first finished segment of the log has waited for the bucket, in seconds."""
    times = []
    for path in glob.glob(WAITING):
        try:
            times.append(os.stat(path).st_mtime)
        except FileNotFoundError:
            pass  # it has arrived meanwhile
    return max(0, time.time() - min(times)) if times else 0


def listed(path):
    return json.loads(pgbackrest("--output=json", "repo-ls", path, within=PATIENCE)).keys()


def missing(last):
    """The segments of the log since the last backup that the bucket lacks, though it has
    later ones, and that aren't to come: they were dropped, or went with a leader. Each is a
    number; whose timeline it is of doesn't matter, for the next one begins with what it needs
    of the one before."""
    each = (1 << 32) // int(sql("SELECT setting FROM pg_settings WHERE name = 'wal_segment_size'"))

    def number(name):
        return int(name[8:16], 16) * each + int(name[16:24], 16)

    def waiting():
        return {number(os.path.basename(path)) for path in glob.glob(WAITING) if re.match("[0-9A-F]{24}[.]ready$", os.path.basename(path))}

    coming, there = waiting(), set()
    for folder in listed("archive/psql"):
        for part in listed("archive/psql/" + folder) if re.match("[0-9]+-[0-9]+$", folder) else ():
            if re.match("[0-9A-F]{16}$", part) and part[8:] >= last["until"][8:16]:
                there |= {number(name) for name in listed(f"archive/psql/{folder}/{part}") if re.match("[0-9A-F]{24}-", name)}
    return set(range(number(last["until"]), max(there, default=0))) - there - coming - waiting()


class State:
    """What is told of the backups. A file has it, written every few seconds, however long one takes."""

    def __init__(self):
        self.leads, self.backups, self.error, self.since = False, [], "", time.time()
        self.gap, self.lacks, self.looked = False, set(), 0
        self.answered, self.busy = time.time(), False
        threading.Thread(target=self.tell, daemon=True).start()

    def silent(self):
        """For how long the bucket hasn't answered, in seconds. What was dropped waits no more."""
        silent = time.time() - self.answered
        return 0 if self.busy or silent < 2 * PATIENCE else silent

    def unfit(self):
        try:
            with open(UNFIT) as file:
                return file.read().strip() if failed(self.backups) else ""
        except FileNotFoundError:
            return ""  # one has succeeded meanwhile

    def tell(self):
        while True:
            if self.leads:
                with open(STATE + ".new", "w") as file:
                    json.dump({"at": time.time(), "since": self.since, "backups": self.backups, "error": self.error,
                               "lag": max(lag(), self.silent()), "dropped": self.gap,
                               "rehearsed": rehearsed(self.backups), "unfit": self.unfit()}, file)
                os.rename(STATE + ".new", STATE)
            elif os.path.exists(STATE):
                os.remove(STATE)
            time.sleep(EVERY)

    def look(self):
        """Reads what the bucket has. What it lacks at two looks is a gap."""
        self.backups = backups()
        self.answered = time.time()
        if self.backups and time.time() - self.looked >= LOOK:
            now = missing(self.backups[-1])
            self.gap, self.lacks, self.looked = bool(now & self.lacks), now, time.time()

    def make(self, kind):
        """Makes a backup. From its start on the log is whole again."""
        self.busy = True
        try:
            pgbackrest("--type=" + kind, "backup")
        finally:
            self.busy = False
        self.gap, self.lacks, self.looked = False, set(), 0
        self.look()

    def rehearse(self):
        self.busy = True
        try:
            done = subprocess.run(["python3", RESTORE, "rehearse"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
        finally:
            self.busy = False
        if done.returncode:
            raise OSError(done.stderr.strip())
        self.look()


def forever():
    state = State()
    while True:
        try:
            if not os.path.exists(CONF) or not leads():
                state.leads, state.answered = False, time.time()
                continue
            state.look()
            with open(SETTINGS) as file:
                settings = json.load(file)
            state.error, state.leads = "", True
            kind = due(state.backups, settings, state.gap)
            if kind:
                state.make(kind)
            elif rehearsal_due(state.backups, settings):
                state.rehearse()
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
        pgbackrest("--type=" + (sys.argv[2] if len(sys.argv) > 2 else "incr"), "backup")
        print(json.dumps(backups()[-1]))
    except OSError as e:
        sys.exit(str(e))


if __name__ == "__main__":
    main()
