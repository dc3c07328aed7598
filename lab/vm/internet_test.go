package vm

import (
	"net"
	"strings"
	"testing"
)

func TestInUse(t *testing.T) {
	for address, want := range map[string]string{
		"198.18.0.1/16":   "sudo ip link delete br-1",
		"198.18.200.3/32": "has 198.18.200.3/32",
		"198.16.0.1/12":   "the lab needs 198.18.0.0/16",
		"172.17.0.1/16":   "",
		"fe80::1/64":      "",
	} {
		ip, network, err := net.ParseCIDR(address)
		if err != nil {
			t.Fatal(err)
		}
		err = inUse("br-1", []net.Addr{&net.IPNet{IP: ip, Mask: network.Mask}})
		if got := err != nil; got != (want != "") || got && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", address, err, want)
		}
	}
}
