"""Ends a leader's PostgreSQL that hung, with its pod, until another member may lead, or of
which Patroni hangs for so long.

It would go on where it was: Patroni would change which replicas commits wait for before it
finds that it has lost the lead, or not find it at all, and writes that the next leader
doesn't have would be confirmed. A watchdog is for that, where there is one; pods have none.

fence.py PID: as long as Patroni's process runs.
"""

import os
import signal
import sys
import time

PATRONI = sys.argv[1]
DATA = "/var/lib/psql/data/"
# Seconds. Who leads has its key for 20 s from its last renewal, which it tries each 6 s.
HUNG, LOOK = 12, 0.2
# What timeline.py writes before a promotion, and the most seconds that this may take.
PROMOTING, LASTS = "/run/psql/promoting", 120


def now():
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def turns():
    """Grow whenever Patroni's main thread waits or goes on, which it does at least each 6 s."""
    try:
        with open(f"/proc/{PATRONI}/status") as file:
            return [line for line in file if "ctxt_switches" in line]
    except OSError:
        sys.exit()  # it has ended, and the container does


def leads():
    if not os.path.exists(DATA + "standby.signal"):
        return True
    return os.path.exists(PROMOTING) and time.time() - os.path.getmtime(PROMOTING) < LASTS


def end():
    with open(DATA + "postmaster.pid") as file:
        os.kill(int(file.readline()), signal.SIGQUIT)


last, seen, still = now(), turns(), 0
while True:
    time.sleep(LOOK)
    last, hung = now(), now() - last
    # Of the time in which all hung, this is not Patroni's.
    before, seen = seen, turns()
    still = still + min(hung, 1) if seen == before else 0
    if max(hung, still) > HUNG and leads():
        who = "this leader" if hung > HUNG else "Patroni"
        try:
            end()
            print(f"{who} has hung for {max(hung, still):.1f} s: PostgreSQL is ended", flush=True)
            if still > HUNG:
                os.kill(int(PATRONI), signal.SIGKILL)  # and begins anew
        except (OSError, ValueError):
            pass  # it doesn't run
