package vm

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hybrid/lab/system/paths"

	"github.com/docker/docker/api/types/network"
)

// Nothing of another state's lab is touched, whatever this one is asked to do, and it
// says whose it is.
func TestAnotherLab(t *testing.T) {
	e := remains()
	h := e.open(t)
	text := `{"User":"alice","State":"/home/alice/my lab"}`
	e.containers[0].Labels[labelOwner] = text
	e.networks[0].Labels[labelOwner] = text
	want := []string{"it is alice's, its state is in /home/alice/my lab, and its machines are 1", "`HYBRID_LAB_STATE='/home/alice/my lab' make down`"}
	for name, do := range map[string]func() error{
		"check":  func() error { return h.checkOwner(t.Context()) },
		"purge":  func() error { return h.Purge(t.Context(), false) },
		"create": func() error { return h.CreateNetwork(t.Context(), Network{ID: "n", CIDR: prefix("10.9.0.0/24")}) },
	} {
		err := do()
		for _, want := range want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %v, want %q", name, err, want)
			}
		}
	}
	for _, method := range []string{"POST", "PUT", "DELETE"} {
		if all := e.asked(method, ""); len(all) > 0 {
			t.Errorf("asked of Docker: %q", all)
		}
	}
}

// One's own remains are cleared away: by whatever path the state is named, of its tests,
// and of a time before things had owners.
func TestOnesOwnLab(t *testing.T) {
	for name, owner := range map[string]func(state, link string) string{
		"the same":         func(state, _ string) string { return state },
		"by a link":        func(_, link string) string { return link },
		"of a time before": nil,
	} {
		t.Run(name, func(t *testing.T) {
			e := remains()
			h := e.open(t)
			state := os.Getenv("HYBRID_LAB_STATE")
			if owner != nil {
				link := filepath.Join(t.TempDir(), "link")
				if err := os.Symlink(state, link); err != nil {
					t.Fatal(err)
				}
				e.containers[0].Labels[labelOwner] = `{"User":"root","State":"` + owner(state, link) + `"}`
			}
			if err := h.Purge(t.Context(), false); err != nil || len(e.containers)+len(e.networks)+len(e.volumes) != 0 {
				t.Errorf("%v; left are %v, %v, %v", err, e.containers, e.networks, e.volumes)
			}
		})
	}
	state := t.TempDir()
	t.Setenv("HYBRID_LAB_STATE", state)
	user, err := self()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("HYBRID_LAB_STATE", filepath.Join(state, paths.Tests))
	if tests, err := self(); err != nil || !tests.same(user) {
		t.Errorf("the tests' things are of %v, %v, want of %v", tests, err, user)
	}
}

// What is made has an owner.
func TestLabelsHaveAnOwner(t *testing.T) {
	state := t.TempDir()
	t.Setenv("HYBRID_LAB_STATE", state)
	labels, err := labels(kindMachine, "m", Machine{})
	if err != nil || !strings.Contains(labels[labelOwner], `"State":"`+state+`"`) {
		t.Errorf("got %v, %v", labels, err)
	}
}

// Docker itself doesn't say which of its networks has the addresses.
func TestOverlappingNetworkIsNamed(t *testing.T) {
	docker := func(name, subnet string) network.Summary {
		return network.Summary{ID: name, Name: name, IPAM: network.IPAM{Config: []network.IPAMConfig{{Subnet: subnet}}}}
	}
	e := &engine{networks: []network.Summary{
		docker("mine", "10.10.0.0/24"), docker("my $(id)", "10.20.0.0/14"), docker("bridge", "172.17.0.0/16"), docker("six", "fd00::/64"), {ID: "none"},
	}}
	own := docker("hybrid-lab-x", "10.40.0.0/24")
	own.Labels = thing(kindNetwork, "x")
	e.networks = append(e.networks, own)
	h := e.open(t)
	for subnet, want := range map[string]string{
		"10.10.0.0/24":  "`docker network rm mine`",
		"10.10.0.64/26": `Docker network "mine" has 10.10.0.0/24`,
		"10.20.0.0/24":  "`docker network rm 'my $(id)'`",
		"172.17.5.0/24": `Docker network "bridge" has 172.17.0.0/16: give that another range (bip in /etc/docker/daemon.json), or choose another range`,
		"10.30.0.0/24":  "",
		"10.40.0.0/24":  "", // the lab's own
	} {
		err := h.checkRange(t.Context(), subnet)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", subnet, err, want)
		}
	}
	if err := overlapping(e.networks, netip.MustParsePrefix("172.17.0.0/16")); strings.Contains(err.Error(), "network rm") {
		t.Errorf("Docker's own network can't be removed: %v", err)
	}
	if err := overlapping([]network.Summary{docker("x", "198.18.7.0/24")}, Internet); err == nil || !strings.HasSuffix(err.Error(), "remove that by `docker network rm x`") {
		t.Errorf("the lab's internet: got %v, want no other range to be chosen", err)
	}
	err := h.createBridge(t.Context(), "n", nil, nil, network.IPAMConfig{Subnet: "10.10.0.0/24"})
	if err == nil || !strings.Contains(err.Error(), `Docker network "mine"`) {
		t.Errorf("a network in the range: got %v, want which network has it", err)
	}
}

// The engine's own settings don't keep sudo from working, take another kernel, or put a
// process before systemd.
func TestMachinesHaveTheirPrivileges(t *testing.T) {
	t.Setenv("HYBRID_LAB_STATE", t.TempDir())
	_, config, err := machineConfig(Machine{Name: "m", PrivateIP: addr("10.0.0.5")}, Network{CIDR: prefix("10.0.0.0/24")})
	if err != nil || !slices.Contains(config.SecurityOpt, "no-new-privileges=false") || config.Runtime != "runc" || config.Init == nil || *config.Init {
		t.Errorf("got %+v, %v", config, err)
	}
}
