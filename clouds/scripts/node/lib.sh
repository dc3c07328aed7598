# Begins every script. A script defines main and calls it last, so that the shell
# has read all of it from standard input before anything runs.
set -eu
umask 022
# Tests give the scripts a folder for the machine's root. A machine's is empty.
ROOT=${ROOT:-}
export PATH=$ROOT/usr/local/sbin:$ROOT/usr/local/bin:$ROOT/usr/sbin:$ROOT/usr/bin:$ROOT/sbin:$ROOT/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive

# What earlier steps on this machine have done, and their logs: for root only.
STATE=$ROOT/var/lib/hybrid
mkdir -p -m 0700 "$STATE"

# say tells the user who runs pulumi.
say() { printf '%s\n' "$*" >&2; }

die() { say "$(hostname): $*"; exit 1; }

# The command line bounds every step, for an SSH session lasts as long as it takes.
step="${1-} ${2-}"
trap 'die "step \"$step\" has not ended in time, and was stopped: its logs are in $STATE. Run pulumi up again when that has its reason found"' TERM

# exclusively waits for steps of an interrupted update that still run here.
exclusively() {
	exec 9>"$STATE/lock"
	flock -w 900 9 || die "another step has been running for 15 minutes: see \"fuser -v $STATE/lock\" on the machine, end it, then run pulumi up again"
}

# quietly NAME COMMAND...: the output goes to a log, and its end to the user if
# the command fails.
quietly() {
	log=$STATE/$1.log
	shift
	"$@" >"$log" 2>&1 && return
	say "$(tail -n 30 "$log")"
	die "\"$1 ${2-}\" failed: its whole output is in $log on the machine"
}

# put PATH: writes standard input to a file, all or nothing.
put() {
	mkdir -p "$(dirname "$1")"
	cat >"$1.new"
	mv "$1.new" "$1"
}

# await TRIES COMMAND...: waits until a command succeeds, $PAUSE seconds between two
# tries; fails after so many. $SAID is what the last try has printed. The command runs in
# a shell of its own: what it assigns is lost, and what fails in it doesn't end it. Tests
# have less PATIENCE.
await() {
	tries=${PATIENCE:-$1}
	shift
	until SAID=$(set +e; "$@" 2>&1); do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		sleep $PAUSE
	done
}
PAUSE=1

# restrict_kubelet: what the kubelet is told is for root only (CIS 4.1.1 and 4.1.9).
restrict_kubelet() {
	for file in /var/lib/kubelet/config.yaml /usr/lib/systemd/system/kubelet.service /usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf; do
		[ ! -e "$ROOT$file" ] || chmod 0600 "$ROOT$file"
	done
}
