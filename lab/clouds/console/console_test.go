package console

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"hybrid/lab/clouds/cloud"
	"hybrid/lab/clouds/cloud/cloudtest"
	"hybrid/lab/clouds/digitalocean"
)

const (
	typeVpc      = "digitalocean:index/vpc:Vpc"
	typeTag      = "digitalocean:index/tag:Tag"
	typeDroplet  = "digitalocean:index/droplet:Droplet"
	typeFirewall = "digitalocean:index/firewall:Firewall"
)

type m = map[string]any

// open returns an engine that has made a droplet behind a firewall, and a
// console on the same cloud.
func open(t *testing.T) (*cloudtest.Engine, *Console, m) {
	e := cloudtest.New(t, digitalocean.New, digitalocean.Package, nil)
	state := t.TempDir()
	if err := os.Symlink(e.Dir, Folder(state)); err != nil {
		t.Fatal(err)
	}
	vpc, _ := e.Make(typeVpc, "vpc", m{"name": "london", "region": "lon1", "ipRange": "10.10.0.0/24"})
	e.Make(typeTag, "tag", m{"name": "nodes"})
	e.Make(typeDroplet, "one", m{"name": "one", "region": "lon1", "size": "s-1vcpu-2gb", "image": "debian-12-x64", "vpcUuid": vpc, "tags": []any{"nodes"}})
	wall := m{"name": "wall", "tags": []any{"nodes"}, "inboundRules": []any{m{"protocol": "tcp", "portRange": "22", "sourceAddresses": []any{"0.0.0.0/0"}}}}
	e.Make(typeFirewall, "wall", wall)
	e.Refresh(typeDroplet, "one")
	return e, Open(state, func(context.Context) (cloud.Hypervisor, error) { return e.Host, nil }), wall
}

func TestList(t *testing.T) {
	_, c, _ := open(t)
	items, err := c.List("")
	if err != nil || len(items) != 4 {
		t.Fatalf("got %v, %v; want 4 objects", items, err)
	}
	if first := items[0]; first.Cloud != "digitalocean" || first.Type != "Droplet" || first.Name != "one" || first.Phase != cloud.Ready || first.Properties["region"] != "lon1" {
		t.Errorf("the first is %+v", first)
	}
	if _, err := c.List("azure"); err == nil {
		t.Error("there is a cloud azure")
	}
}

func TestRun(t *testing.T) {
	e, c, _ := open(t)
	run := func(args ...string) (string, error) {
		var out bytes.Buffer
		err := c.Run(t.Context(), &out, args)
		return out.String(), err
	}
	if out, err := run("ls", "digitalocean"); err != nil || !strings.Contains(out, "Droplet") || !strings.Contains(out, e.ID(typeDroplet, "one")) {
		t.Errorf("ls: %s, %v", out, err)
	}
	if out, err := run("ls", "digitalocean", "one"); err != nil || !strings.Contains(out, "size: s-1vcpu-2gb") {
		t.Errorf("ls of an object: %s, %v", out, err)
	}
	_, err := run("rm", "digitalocean", "london")
	cloudtest.WantError(t, err, "cannot delete Vpc with members")
	_, err = run("rm", "digitalocean", "nosuch")
	cloudtest.WantError(t, err, "there is no object")
	if _, err = run("rm", "digitalocean", "one"); err != nil || len(e.Host.Machines()) != 0 {
		t.Errorf("rm: %v, %d machines", err, len(e.Host.Machines()))
	}
	if _, _, gone := e.Refresh(typeDroplet, "one"); !gone {
		t.Error("a refresh doesn't see what the console has deleted")
	}
	for _, args := range [][]string{nil, {"rm"}, {"set", "digitalocean", "one"}, {"nosuch"}} {
		_, err := run(args...)
		cloudtest.WantError(t, err, "lab cloud set CLOUD OBJECT PATH VALUE")
	}
}

func TestSet(t *testing.T) {
	e, c, wall := open(t)
	if err := c.Set(t.Context(), "digitalocean", "wall", "inboundRules[0].portRange", "23"); err == nil {
		t.Error("a number was taken for a string")
	}
	if err := c.Set(t.Context(), "digitalocean", "wall", "inboundRules[0].portRange", `"23"`); err != nil {
		t.Fatal(err)
	}
	p := e.Host.Policy(e.ID(typeVpc, "vpc"))
	if got := p.Machines[0].Ingress[0].FromPort; got != 23 {
		t.Errorf("the router lets port %d in; want 23", got)
	}
	drift, _, _ := e.Refresh(typeFirewall, "wall")
	if drift.Changes != plugin.DiffSome || drift.DetailedDiff["inboundRules[0].portRange"].Kind != plugin.DiffUpdate {
		t.Errorf("drift %+v; want that of the port", drift.DetailedDiff)
	}
	if _, err := e.Update(typeFirewall, "wall", wall); err != nil {
		t.Fatal(err)
	}
	if got := e.Host.Policy(e.ID(typeVpc, "vpc")).Machines[0].Ingress[0].FromPort; got != 22 {
		t.Errorf("after the repair the router lets port %d in; want 22", got)
	}
	if err := c.Set(t.Context(), "digitalocean", "one", "tags", "[]"); err != nil {
		t.Fatal(err)
	}
	if got := e.Host.Policy(e.ID(typeVpc, "vpc")).Machines[0].Ingress[0].Protocol; got != "all" {
		t.Errorf("a droplet without the tag is still guarded: %s", got)
	}
	cloudtest.WantError(t, c.Set(t.Context(), "digitalocean", "wall", "inboundRules", "null"), "at least one rule must be specified")
}

func TestFolder(t *testing.T) {
	if got := Folder("/s"); got != filepath.Join("/s", "clouds") {
		t.Errorf("got %s", got)
	}
}
