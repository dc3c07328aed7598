package vm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"hybrid/lab/system/lock"
	"hybrid/lab/system/paths"

	"github.com/docker/docker/api/types/container"
)

// Links is what lies between a network and the lab's internet. Its router keeps it,
// whatever policy it gets; a network that is created again has plain links.
type Links struct {
	// Off says that nothing passes in either direction, as in an outage. What its
	// machines say to each other passes.
	Off bool
	// Aside says that nothing passes between the network and [Workstation]: all others
	// go on.
	Aside bool
	// From are the ways from other networks, by their IDs. A way that isn't listed is
	// open and has no length.
	From map[string]Link
}

// Link is the way of packets from one network to another.
type Link struct {
	Delay time.Duration // how long each packet is under way
	Cut   bool          // none arrives, and no one is told
}

// linksFile is in the folder of a router from which lab-router takes the others.
const (
	linksFolder = "/etc/lab-router/links"
	linksFile   = "links.json"
)

// Links returns those of a network.
func (h *Host) Links(ctx context.Context, networkID string) (*Links, error) {
	text, err := h.ExecRouter(ctx, networkID, "sh", "-c", `[ ! -e "$1" ] || cat "$1"`, "sh", linksFolder+"/"+linksFile)
	if err != nil {
		return nil, fmt.Errorf("links of network %s: %w", networkID, err)
	}
	l := &Links{}
	if text != "" {
		if err := json.Unmarshal([]byte(text), l); err != nil {
			return nil, fmt.Errorf("links of network %s: %w", networkID, err)
		}
	}
	if l.From == nil {
		l.From = map[string]Link{}
	}
	return l, nil
}

// ChangeLinks changes those of a network, at once and as a whole.
func (h *Host) ChangeLinks(ctx context.Context, networkID string, change func(*Links)) error {
	unlock, err := lock.Take(routerLock(networkID))
	if err != nil {
		return err
	}
	defer unlock()
	links, err := h.Links(ctx, networkID)
	if err != nil {
		return err
	}
	change(links)
	if err := h.applyLinks(ctx, networkID, *links); err != nil {
		return fmt.Errorf("links of network %s: %w", networkID, err)
	}
	return nil
}

func (h *Host) applyLinks(ctx context.Context, networkID string, links Links) error {
	routers := map[string]string{}
	for id := range links.From {
		other, err := h.findNetwork(ctx, id)
		if errors.Is(err, ErrNotFound) {
			delete(links.From, id) // it has gone, and its way with it
			continue
		}
		if err != nil {
			return err
		}
		routers[id] = other.hardwareAddress()
	}
	files, err := links.render(routers)
	if err != nil {
		return err
	}
	router, err := h.container(ctx, kindRouter, networkID)
	if err != nil {
		return err
	}
	if files["delays"] != "" {
		if err := h.bringDelay(ctx, router.ID); err != nil {
			return err
		}
	}
	packed, err := archive(files)
	if err != nil {
		return err
	}
	if err := h.docker.CopyToContainer(ctx, router.ID, linksFolder, packed, container.CopyToContainerOptions{}); err != nil {
		return err
	}
	_, err = h.run(ctx, router.ID, "lab-router", "links")
	return err
}

// bringDelay brings the program that makes distances (lab/delay) to a router.
func (h *Host) bringDelay(ctx context.Context, router string) error {
	cache, err := paths.Cache()
	if err != nil {
		return err
	}
	program, err := os.ReadFile(filepath.Join(cache, "bin", "delay"))
	if err != nil {
		return fmt.Errorf("the program that makes distances is not there: run `make up`, which makes it: %w", err)
	}
	packed, err := archiveWith(0o700, map[string]string{"lab-delay": string(program)})
	if err != nil {
		return err
	}
	return h.docker.CopyToContainer(ctx, router, "/usr/local/sbin", packed, container.CopyToContainerOptions{})
}

// render writes what lab-router wants: rules for iptables-restore, and the arguments
// of the program that holds packets back. routers are the other networks' routers'
// hardware addresses, by which this router knows from where a packet comes.
func (l Links) render(routers map[string]string) (map[string]string, error) {
	text, err := json.Marshal(l)
	if err != nil {
		return nil, err
	}
	var rules, delays strings.Builder
	// Before connections are tracked: a packet that waits, or is lost, is not here yet.
	rules.WriteString("*raw\n:PREROUTING ACCEPT\n")
	for i, id := range slices.Sorted(maps.Keys(l.From)) {
		from := "-A PREROUTING -i internet -m mac --mac-source " + routers[id]
		switch way := l.From[id]; {
		case way.Cut:
			fmt.Fprintf(&rules, "%s -j DROP\n", from)
		case way.Delay > 0:
			fmt.Fprintf(&rules, "%s -j NFQUEUE --queue-num %d\n", from, i+1)
		}
		if way := l.From[id]; way.Delay > 0 { // also while it is cut: others wait in the same program
			fmt.Fprintf(&delays, "%d=%s\n", i+1, way.Delay)
		}
	}
	rules.WriteString("COMMIT\n*mangle\n:FORWARD ACCEPT\n")
	if l.Off {
		rules.WriteString("-A FORWARD -i internet -j DROP\n-A FORWARD -o internet -j DROP\n")
	}
	if l.Aside {
		fmt.Fprintf(&rules, "-A FORWARD -i internet -s %[1]s -j DROP\n-A FORWARD -o internet -d %[1]s -j DROP\n", Workstation)
	}
	rules.WriteString("COMMIT\n")
	return map[string]string{linksFile: string(text), "rules": rules.String(), "delays": delays.String()}, nil
}

// Cut lets nothing pass any more between a network and the internet, and drops it in
// silence, as an outage does.
func (h *Host) Cut(ctx context.Context, networkID string) error {
	return h.ChangeLinks(ctx, networkID, func(l *Links) { l.Off = true })
}

// CutOff cuts off [Workstation] alone.
func (h *Host) CutOff(ctx context.Context, networkID string) error {
	return h.ChangeLinks(ctx, networkID, func(l *Links) { l.Aside = true })
}

// Mend ends what Cut or CutOff began.
func (h *Host) Mend(ctx context.Context, networkID string) error {
	return h.ChangeLinks(ctx, networkID, func(l *Links) { l.Off, l.Aside = false, false })
}

// ChangeWay changes the way of packets from one network to another.
func (h *Host) ChangeWay(ctx context.Context, from, to string, change func(*Link)) error {
	if _, err := h.Network(ctx, from); err != nil {
		return err
	}
	return h.ChangeLinks(ctx, to, func(l *Links) {
		way := l.From[from]
		change(&way)
		l.From[from] = way
		if way == (Link{}) {
			delete(l.From, from)
		}
	})
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
