package dockertest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"hybrid/lab/vm"
)

// TestReboot has a machine reboot itself, as an update of the kernel has one: the boot is
// another one then, what was in memory is gone, and what was on the disk is there.
func TestReboot(t *testing.T) {
	l := Open(t)
	ctx := t.Context()
	l.must(l.CreateNetwork(ctx, translated))
	a := l.Machine(vm.Machine{Name: "a", Cloud: "aws", NetworkID: translated.ID, PrivateIP: addr("10.20.0.11")}, "")
	b := l.Machine(vm.Machine{Name: "b", Cloud: "aws", NetworkID: translated.ID, PrivateIP: addr("10.20.0.12")}, "")
	for _, m := range []vm.Machine{a, b} {
		l.Booted(m)
	}
	boot := func(m vm.Machine) string {
		out, err := l.Exec(m, "cat /proc/sys/kernel/random/boot_id")
		if err != nil {
			return "" // it is down
		}
		return strings.TrimSpace(out)
	}
	before, other := boot(a), boot(b)
	if before == "" || before == other {
		t.Errorf("boots of two machines have the IDs %q and %q", before, other)
	}
	if out, err := l.Exec(a, "touch /var/lib/kept /run/reboot-required && sync && systemctl reboot"); err != nil {
		t.Logf("the machine was gone before it answered: %v: %s", err, out)
	}
	l.must(Eventually(2*time.Minute, func() error {
		if now := boot(a); now == "" || now == before {
			return fmt.Errorf("the ID of its boot was %q, now it is %q", before, now)
		}
		return nil
	}))
	l.must(Eventually(time.Minute, func() error {
		out, err := l.Exec(a, "systemctl is-active ssh.service && ls /var/lib/kept && ! ls /run/reboot-required")
		if err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
		return err
	}))
	if now := boot(b); now != other {
		t.Errorf("the other machine's boot was %q, now it is %q", other, now)
	}
}
