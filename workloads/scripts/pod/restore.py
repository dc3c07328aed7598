"""Puts the database of the bucket in the place of this member's.

restore.py mark TIME         on the leader: sends all to the bucket up to a time, or "latest",
                             and prints that time
restore.py prepare TIME      takes a backup and the log up to a time, beside the database
restore.py take              puts that in its place: the server must be stopped
restore.py stop              stops the server
restore.py undo              puts what was there before back: the server must be stopped
restore.py confirm           removes what was there before
restore.py rehearse          on the leader: does what mark and prepare do for the latest time, in
                             a place of its own, and throws the result away

What is wrong with a backup is found by prepare, while the database goes on.
"""

import datetime
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import time

CONF = "/etc/psql/backup/pgbackrest.conf"
BASE = "/var/lib/psql/"
DATA, NEXT, BEFORE, TRIED = BASE + "data", BASE + "restored", BASE + "before", BASE + "rehearsed"
UNFIT = "/run/psql/unfit"  # why the last rehearsal has failed, for backup.py
PGBACKREST = ["pgbackrest", "--config=" + CONF, "--stanza=psql"]
# No client reaches this server, and what it has for the bucket waits there.
ALONE = ["-c", "listen_addresses=", "-c", "unix_socket_directories=/tmp", "-c", "archive_mode=on", "-c", "archive_command=false",
         "-c", "hot_standby=off", "-c", "primary_conninfo=", "-c", "synchronous_standby_names=", "-c", "cluster_name=restored"]


class Refused(Exception):
    pass


def run(argv, what):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        lines = [line for line in done.stdout.splitlines() if re.search("ERROR|FATAL|PANIC", line)] or done.stdout.splitlines()[-5:]
        raise Refused(f"{what}: " + "; ".join(line.split("ERROR:")[-1].strip() for line in lines[:5]))
    return done.stdout


def stanzas():
    return json.loads(run(PGBACKREST + ["--output=json", "info"], "the bucket"))


def backups():
    return [b for s in stanzas() for b in s.get("backup", []) if not b.get("error")]


def sql(text):
    return run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-c", text], "the leader").strip()


def marked(text):
    now = datetime.datetime.fromisoformat(sql("SET timezone = 'UTC'; SELECT to_json(clock_timestamp())").strip('"'))
    target = now if text == "latest" else datetime.datetime.fromisoformat(text)
    if target.tzinfo is None:
        raise Refused(f"{text} has no time zone: expected a time such as 2026-11-26T14:05:00Z")
    if target > now:
        raise Refused(f"{text} is to come: on the leader it is {now.isoformat()}")
    # A recovery knows that it has got to a time by what has been committed after it.
    segment = sql("SET synchronous_commit = 'local'; BEGIN; SELECT pg_current_xact_id(); COMMIT; SELECT pg_walfile_name(pg_switch_wal())").splitlines()[-1]
    end = time.monotonic() + 60
    while os.path.exists(f"{DATA}/pg_wal/archive_status/{segment}.ready") or not os.path.exists(f"{DATA}/pg_wal/archive_status/{segment}.done"):
        if time.monotonic() > end:
            raise Refused("what has been committed last doesn't get to the bucket: hybrid postgres backups says why")
        time.sleep(0.2)
    return target.isoformat()


def mark(text):
    print(marked(text))


def stop():
    if running(DATA):
        run(["pg_ctl", "-D", DATA, "-w", "-t", "120", "-m", "fast", "stop"], "the server doesn't stop")


def recovery(path, lines):
    """Replaces the settings of a recovery, and says that there is to be one."""
    auto = path + "/postgresql.auto.conf"
    with open(auto) as file:
        kept = [line for line in file if not re.match(r"\s*(recovery_|restore_command|primary_conninfo|primary_slot_name)", line)]
    with open(auto, "w") as file:
        file.writelines(kept + [line + "\n" for line in lines])
    for name in ("standby.signal", "recovery.signal"):
        if os.path.exists(path + "/" + name):
            os.remove(path + "/" + name)
    if lines:
        open(path + "/recovery.signal", "w").close()


def fetching(path):
    # Not ahead of time: the place for that is the server's that runs here.
    command = f'{" ".join(PGBACKREST)} --pg1-path={path} --no-archive-async archive-get %f "%p"'
    return f"restore_command = '{command}'"


def fetch(text, path):
    """Makes the database of a time, in a folder. It returns the label of the backup that it is from."""
    target = datetime.datetime.fromisoformat(text)
    usable = [b for b in backups() if b["timestamp"]["stop"] <= target.timestamp()]
    if not usable:
        raise Refused("the bucket has no backup from before " + text)
    label = usable[-1]["label"]
    need, free = usable[-1]["info"]["size"] * 1.1 + (256 << 20), shutil.disk_usage(BASE).free
    if free < need:
        raise Refused(f"the restored database needs {need / 1e9:.1f} GB beside the present one, and {free / 1e9:.1f} GB are free in {BASE}")
    shutil.rmtree(path, ignore_errors=True)
    os.mkdir(path, 0o700)
    try:
        run(PGBACKREST + ["--pg1-path=" + path, "--type=time", "--target=" + text, "--set=" + label, "restore"], "backup " + label + " can't be restored")
        recovery(path, [fetching(path), f"recovery_target_time = '{text}'", "recovery_target_action = 'shutdown'"])
        run(["postgres", "-D", path, *ALONE], f"backup {label} and the log don't lead to {text}")
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise
    return label


def alone():
    """Waits until no other restore is fetched here: their servers would meet."""
    lock = open(BASE + "restore.lock", "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def prepare(text):
    with alone():
        fetch(text, NEXT)


def rehearse():
    try:
        at = marked("latest")
        with alone():
            label = fetch(at, TRIED)
            shutil.rmtree(TRIED)
        # The bucket remembers it, also for the next leader.
        run(PGBACKREST + ["--set=" + label, f"--annotation=rehearsed={int(time.time())}", "annotate"], "the bucket")
    except Refused as e:
        with open(UNFIT, "w") as file:
            file.write(str(e))
        raise
    if os.path.exists(UNFIT):
        os.remove(UNFIT)
    print(label)


def promote(path):
    """Lets a database lead, on a timeline of its own, and stops it."""
    options = " ".join(f"'{o}'" if "=" in o else o for o in ALONE)
    run(["pg_ctl", "-D", path, "-w", "-t", "3600", "-l", "/tmp/restored.log", "-o", options, "start"], "it doesn't start, see /tmp/restored.log")
    # pg_ctl is content with a recovery; connections are taken when that is over.
    while subprocess.run(["pg_isready", "-q", "-h", "/tmp"]).returncode:
        if not running(path):
            raise Refused("it doesn't get through its log, see /tmp/restored.log")
        time.sleep(0.2)
    run(["pg_ctl", "-D", path, "-w", "-m", "fast", "stop"], "it doesn't stop")
    recovery(path, [])


def running(path):
    return subprocess.run(["pg_ctl", "-D", path, "status"], capture_output=True).returncode == 0


def stopped():
    if running(DATA):
        raise Refused("the server runs: stop it first")


def take():
    stopped()
    if not os.path.exists(NEXT + "/recovery.signal"):
        raise Refused("nothing has been prepared")
    with open(NEXT + "/postgresql.auto.conf") as file:
        lines = [line.strip() for line in file if re.match(r"\s*(recovery_target_time|restore_command)", line)]
    recovery(NEXT, lines + ["recovery_target_action = 'promote'"])
    promote(NEXT)
    shutil.rmtree(BEFORE, ignore_errors=True)
    os.rename(DATA, BEFORE)
    os.rename(NEXT, DATA)


def undo():
    stopped()
    if not os.path.isdir(BEFORE):
        raise Refused("there is nothing from before a restore")
    # Of a timeline of its own, newer than that of the restored one.
    recovery(BEFORE, [fetching(BEFORE), "recovery_target_timeline = 'current'"])
    promote(BEFORE)
    shutil.rmtree(NEXT, ignore_errors=True)
    os.rename(DATA, NEXT)
    os.rename(BEFORE, DATA)
    shutil.rmtree(NEXT)


def confirm():
    if not os.path.isdir(BEFORE):
        raise Refused("there is nothing from before a restore")
    shutil.rmtree(BEFORE)


try:
    {"mark": mark, "prepare": prepare, "take": take, "stop": stop, "undo": undo, "confirm": confirm, "rehearse": rehearse}[sys.argv[1]](*sys.argv[2:])
except Refused as e:
    sys.exit(str(e))
