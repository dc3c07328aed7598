"""Ends a leader's PostgreSQL that has hung, with its pod, until another member may lead.

It would go on where it was: Patroni would change which replicas commits wait for before it
finds that it has lost the lead, and writes that the next leader doesn't have would be
confirmed. A watchdog is for that, where there is one; pods have none.
"""

import os
import signal
import time

DATA = "/var/lib/psql/data/"
# Seconds. Who leads has its key for 20 s from its last renewal, which it tries each 6 s.
HUNG, LOOK = 12, 0.2
# What timeline.py writes before a promotion, and the most seconds that this may take.
PROMOTING, LASTS = "/run/psql/promoting", 120


def now():
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def leads():
    if not os.path.exists(DATA + "standby.signal"):
        return True
    return os.path.exists(PROMOTING) and time.time() - os.path.getmtime(PROMOTING) < LASTS


def end():
    with open(DATA + "postmaster.pid") as file:
        os.kill(int(file.readline()), signal.SIGQUIT)


last = now()
while True:
    time.sleep(LOOK)
    last, hung = now(), now() - last
    if hung > HUNG and leads():
        try:
            end()
            print(f"this leader has hung for {hung:.1f} s: its PostgreSQL is ended", flush=True)
        except (OSError, ValueError):
            pass  # it doesn't run
