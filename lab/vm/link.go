package vm

import (
	"context"
	"fmt"
)

// Cut lets nothing pass any more between a network and the internet, and drops it
// in silence, as an outage does. What its machines say to each other passes. A
// policy that is applied meanwhile ends it.
func (h *Host) Cut(ctx context.Context, networkID string) error {
	const cut = `set -eu
nic=$(ip -4 -o addr show to "$1" | awk '{ print $2; exit }')
[ -n "$nic" ]
nft -f - <<EOT
table ip cut
delete table ip cut
table ip cut {
	chain forward {
		type filter hook forward priority -300; policy accept;
		iifname "$nic" drop
		oifname "$nic" drop
	}
}
EOT`
	if _, err := h.ExecRouter(ctx, networkID, "sh", "-c", cut, "sh", Internet.String()); err != nil {
		return fmt.Errorf("cutting network %s off: %w", networkID, err)
	}
	return nil
}

// Mend ends what Cut began.
func (h *Host) Mend(ctx context.Context, networkID string) error {
	if _, err := h.ExecRouter(ctx, networkID, "nft", "delete", "table", "ip", "cut"); err != nil {
		return fmt.Errorf("joining network %s again: %w", networkID, err)
	}
	return nil
}

// ExecRouter is [Host.Exec] in a network's router, through which all goes that its
// machines send.
func (h *Host) ExecRouter(ctx context.Context, networkID string, argv ...string) (string, error) {
	found, err := h.container(ctx, kindRouter, networkID)
	if err != nil {
		return "", err
	}
	return h.run(ctx, found.ID, argv...)
}

// StopMachine switches a machine off as a power cut does.
func (h *Host) StopMachine(ctx context.Context, id string) error {
	found, err := h.container(ctx, kindMachine, id)
	if err != nil {
		return err
	}
	if err := h.docker.ContainerKill(ctx, found.ID, "KILL"); err != nil {
		return fmt.Errorf("machine %s: %w", id, err)
	}
	return nil
}
