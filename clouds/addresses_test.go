package clouds

import (
	"strings"
	"testing"

	"hybrid/internal/mockcloud"

	"github.com/pulumi/pulumi-digitalocean/sdk/v4/go/digitalocean"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// The machine's own addresses, as iproute2 shows them on a droplet.
const (
	addressShow = "2: eth0    inet 203.0.113.9/20 brd 203.0.113.255 scope global eth0\n" +
		"2: eth0    inet 10.16.0.5/16 brd 10.16.255.255 scope global eth0\n" +
		"3: eth1    inet 10.10.0.2/24 brd 10.10.0.255 scope global eth1\n"
	routeGet = "192.0.2.1 via 203.0.112.1 dev eth0 src 203.0.113.9 uid 0 \n    cache \n"
)

func TestAddresses(t *testing.T) {
	t.Parallel()
	params := map[string]string{"NETWORK": "10.10.0.0/24", "PODS": "10.32.0.0/12"}
	for name, c := range map[string]struct{ route, private, stdout string }{
		"there":              {routeGet, "3: eth1    inet 10.10.0.2/24 scope global eth1\n", "203.0.113.9 10.10.0.2\n"},
		"no route yet":       {"", "3: eth1    inet 10.10.0.2/24 scope global eth1\n", ""},
		"no network yet":     {routeGet, "", ""},
		"nothing whatsoever": {"", "", ""},
	} {
		m := newMachine(t)
		m.Program("ip", `case "$*" in *"route show root"*) ;; *"route get"*) printf '`+c.route+`' ;; *" to 10.10.0.0/24") printf '`+c.private+`' ;; *) printf '`+addressShow+`' ;; esac`)
		stdout, stderr, _, err := m.run("addresses", "create", params)
		if stdout != c.stdout || (err == nil) != (c.stdout != "") {
			t.Errorf("%s: found %q, %v, %s; want %q", name, stdout, err, stderr, c.stdout)
		}
		if err != nil && !strings.Contains(stderr, "one in 10.10.0.0/24, found 2: eth0    inet 203.0.113.9/20") {
			t.Errorf("%s: found %s", name, stderr)
		}
	}
}

// The anchors of a region that isn't in the table, in the range of the pods.
func TestAddressesAmongThePods(t *testing.T) {
	t.Parallel()
	for route, want := range map[string]string{
		"10.45.0.0/16 dev eth0 proto kernel scope link src 10.45.0.5":  `found "10.45.0.0/16 dev eth0`,
		"10.32.0.0/12 dev weave proto kernel scope link src 10.32.0.1": "",
	} {
		m := newMachine(t)
		m.Program("ip", `case "$*" in *"route show root 10.32.0.0/12") echo "`+route+`" ;; *"route get"*) printf '`+routeGet+`' ;; *) echo "3: eth1 inet 10.10.0.2/24 scope global eth1" ;; esac`)
		_, stderr, _, err := m.run("addresses", "create", map[string]string{"NETWORK": "10.10.0.0/24", "PODS": "10.32.0.0/12"})
		if (err == nil) != (want == "") || !strings.Contains(stderr, want) {
			t.Errorf("%s: found %v, %s; want %q", route, err, stderr, want)
		}
	}
}

func TestParseAddresses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"203.0.113.9 10.10.0.2":   "",
		"203.0.113.9 10.10.0.2\n": "",
		"":                        `found ""`,
		"203.0.113.9":             `found "203.0.113.9"`,
		"203.0.113.9 ":            `found "203.0.113.9 "`,
		" 10.10.0.2":              `found " 10.10.0.2"`,
		"10.16.0.5 10.10.0.2":     "found 10.16.0.5: its default route must not lead to the gateway of its anchor address",
	} {
		_, _, err := parseAddresses(text)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: found %v, want %q", text, err, want)
		}
	}
}

// An address that a cloud has not told becomes part of nothing.
func TestUnknownAddressesAreNotUsed(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{"203.0.113.9": "203.0.113.9", "": "", "/32": ""} {
		r, err := mockcloud.Run(false, nil, func(ctx *pulumi.Context) error {
			_, err := digitalocean.NewTag(ctx, "tag", &digitalocean.TagArgs{Name: known("london-1", "private", pulumi.String(given).ToStringOutput())})
			return err
		})
		got := ""
		for _, a := range r.Made {
			got = text(a, "name")
		}
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: found %q, %v; want %q", given, got, err, want)
		}
		if err != nil && !strings.Contains(err.Error(), `node london-1: expected its private address, found "`+given+`": run pulumi up --refresh`) {
			t.Errorf("%q: found %v", given, err)
		}
	}
}
