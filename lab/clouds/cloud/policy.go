package cloud

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"hybrid/lab/vm"
)

// Anywhere is every IPv4 address. The lab has no IPv6.
var Anywhere = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}

// Everything is the rule that lets everything pass.
var Everything = vm.Rule{Protocol: "all", Peers: Anywhere}

// enforce makes the routers enforce the policies that follow from the state.
func (c *Cloud) enforce(ctx context.Context) error { return c.enforceAnew(ctx, "") }

// enforceAnew does so for the network even where it looks done: its router is
// new.
//
// Of many changes at the same time the first computes a policy that has most of
// them, and the others find nothing left to do: the file of a network's lock
// holds the digest of the policy that its router has. Computing under the lock
// means that no older policy ever replaces a newer one.
func (c *Cloud) enforceAnew(ctx context.Context, fresh string) error {
	policies, err := c.policies()
	if err != nil {
		return err
	}
	for _, network := range slices.Sorted(maps.Keys(policies)) {
		err := withLock(c.policyFile(network), syscall.LOCK_EX, func(f *os.File) error {
			now, err := c.policies()
			if err != nil {
				return err
			}
			policy, ok := now[network]
			if !ok {
				return nil // deleted in the meantime
			}
			return c.apply(ctx, f, network, policy, network == fresh)
		})
		if err != nil {
			return fmt.Errorf("applying the firewall rules of network %s: %w", network, err)
		}
	}
	return nil
}

func (c *Cloud) apply(ctx context.Context, f *os.File, network string, policy vm.Policy, again bool) error {
	text, err := json.Marshal(policy)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	digest := hex.EncodeToString(sum[:])
	applied, err := io.ReadAll(f)
	if err != nil || string(applied) == digest && !again {
		return err
	}
	host, err := c.hypervisor(ctx)
	if err != nil {
		return err
	}
	// Forgotten first: after a failure the router may have the policy, or not.
	if err := f.Truncate(0); err != nil {
		return err
	}
	if err := host.ApplyPolicy(ctx, VMID(network), policy); err != nil {
		if errors.Is(err, vm.ErrNotFound) { // a refresh of the network tells
			return nil
		}
		return err
	}
	_, err = f.WriteAt([]byte(digest), 0)
	return err
}

// policies returns those of the networks that exist.
func (c *Cloud) policies() (map[string]vm.Policy, error) {
	var out map[string]vm.Policy
	err := c.store.View(func(s *State) error {
		out = c.Policies(c, s)
		maps.DeleteFunc(out, func(id string, _ vm.Policy) bool { return s.Objects[id].Phase != Ready })
		return nil
	})
	return out, err
}

func (c *Cloud) policyFile(network string) string {
	return filepath.Join(c.dir, c.Name+"."+VMID(network)+".policy")
}

// forgetPolicy removes what was applied to a network that is gone.
func (c *Cloud) forgetPolicy(network string) { _ = os.Remove(c.policyFile(network)) }

// Single returns the prefixes that hold just these addresses.
func Single(addresses ...netip.Addr) []netip.Prefix {
	var out []netip.Prefix
	for _, a := range addresses {
		if a.IsValid() {
			out = append(out, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	return out
}

// Within narrows rules to peers in a network: what a machine without a public
// address reaches, and is reached from.
func Within(rules []vm.Rule, network netip.Prefix) []vm.Rule {
	var out []vm.Rule
	for _, r := range rules {
		var peers []netip.Prefix
		for _, p := range r.Peers {
			switch {
			case !p.Overlaps(network):
			case p.Bits() < network.Bits():
				peers = append(peers, network)
			default:
				peers = append(peers, p)
			}
		}
		if len(peers) > 0 {
			r.Peers = peers
			out = append(out, r)
		}
	}
	return out
}

// IPv4 parses CIDRs and leaves the IPv6 ones out.
func IPv4(cidrs []string) []netip.Prefix {
	var out []netip.Prefix
	for _, text := range cidrs {
		p, err := netip.ParsePrefix(text)
		if a, aerr := netip.ParseAddr(text); err != nil && aerr == nil {
			p, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		if err == nil && p.Addr().Is4() {
			out = append(out, p.Masked())
		}
	}
	return out
}
