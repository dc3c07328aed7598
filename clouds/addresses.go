package clouds

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/pulumi/pulumi-command/sdk/go/command/remote"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// addresses asks a machine that carries all its addresses itself for those that the
// cloud's API can't be trusted with. DigitalOcean's says that a droplet is active
// before its networks are known, and its provider takes whatever public address is
// listed first: once a reserved one is assigned, that may be it.
func (b *bootstrap) addresses(h *host, contact *remote.Command) error {
	told, err := b.run(h, step{
		script: "addresses", after: pulumi.StringArray{id(contact)}, timeout: "5m",
		params: pulumi.StringMap{"NETWORK": pulumi.String(b.args.NetworkCIDR.String()), "PODS": pulumi.String(b.args.PodCIDR.String())},
	})
	if err != nil {
		return err
	}
	parse := func(pick func(own, private netip.Addr) netip.Addr) pulumi.StringOutput {
		return told.Stdout.ApplyT(func(text string) (string, error) {
			own, private, err := parseAddresses(text)
			if err != nil {
				return "", fmt.Errorf("node %s: %w", h.Name, err)
			}
			return pick(own, private).String(), nil
		}).(pulumi.StringOutput)
	}
	h.EgressAddress = parse(func(own, _ netip.Addr) netip.Addr { return own })
	h.PrivateAddress = parse(func(_, private netip.Addr) netip.Addr { return private })
	return nil
}

// parseAddresses reads what scripts/node/addresses.sh prints.
func parseAddresses(text string) (own, private netip.Addr, err error) {
	first, second, _ := strings.Cut(strings.TrimSpace(text), " ")
	if own, err = netip.ParseAddr(first); err == nil {
		private, err = netip.ParseAddr(second)
	}
	switch {
	case err != nil:
		err = fmt.Errorf("expected its public and its private address, found %q", text)
	case own.IsPrivate():
		err = fmt.Errorf("expected its connections to come from a public address, found %s: its default route must not lead to the gateway of its anchor address", own)
	}
	return own, private, err
}

// known passes an address on, and fails where the cloud has told none: what is made of
// an empty one, such as a firewall's rule for "/32", would be registered, and stay.
func known(node, kind string, address pulumi.StringOutput) pulumi.StringOutput {
	return address.ApplyT(func(text string) (string, error) {
		if _, err := netip.ParseAddr(text); err != nil {
			return "", fmt.Errorf("node %s: expected its %s address, found %q: run pulumi up --refresh, when the cloud knows it", node, kind, text)
		}
		return text, nil
	}).(pulumi.StringOutput)
}
