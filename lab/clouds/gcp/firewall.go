package gcp

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi-gcp/sdk/v7/go/gcp/compute"

	"hybrid/lab/clouds/cloud"
	"hybrid/lab/plugins/provider"
	"hybrid/lab/vm"
)

func firewall() *cloud.Type {
	return &cloud.Type{
		Schema: provider.Schema{
			Args: compute.FirewallArgs{}, Outputs: compute.Firewall{}, Name: "name",
			// Egress is open as long as no rule denies it, and the lab has no such rules.
			Required:  []string{"allows"},
			Supported: []string{"description", "direction", "disabled", "name", "priority", "project", "sourceRanges", "sourceTags", "targetTags"},
			ForceNew:  []string{"direction", "name", "network", "project"},
			Computed:  []string{"destinationRanges", "direction", "enableLogging", "project"},
			Defaults:  map[string]any{"priority": 1000, "disabled": false},
			Sets:      []string{"allows", "sourceRanges", "sourceTags", "targetTags"},
			Equal:     sameLink,
		},
		Check: checkFirewall,
		Refs: func(p props) []cloud.Ref {
			return []cloud.Ref{{Property: "network", Type: typeNetwork, ID: expand(provider.Str(p, "network"), provider.Str(p, "project"), "global", "networks")}}
		},
		Ready: withProject,
		Place: func(tx *cloud.Tx, in props) (string, props, error) {
			project, err := setting(tx.Config, in, "project")
			if err != nil {
				return "", nil, err
			}
			id := fmt.Sprintf("projects/%s/global/firewalls/%s", project, provider.Str(in, "name"))
			return id, provider.Merge(provider.From(map[string]any{"direction": "INGRESS", "enableLogging": false}), in, provider.From(map[string]any{
				"project": project, "selfLink": api + id, "creationTimestamp": created,
				"network": api + expand(provider.Str(in, "network"), project, "global", "networks"),
			})), place(tx, typeFirewall, id)
		},
		Change: func(_ *cloud.Tx, o *cloud.Object, all props) (props, error) {
			return provider.Merge(all, props{"network": o.Props["network"], "project": o.Props["project"]}), nil
		},
	}
}

func checkFirewall(_ *provider.Call, in props) failures {
	f := append(checkCommon(in), oneOf(in, "direction", "INGRESS")...)
	if !provider.Filled(in, "sourceRanges") && !provider.Filled(in, "sourceTags") {
		f = append(f, provider.Failure("sourceRanges", "one of source_tags, source_ranges, or source_service_accounts must be defined"))
	}
	if n := provider.Int(in, "priority", 1000); n < 0 || n > 65535 {
		f = append(f, provider.Failure("priority", "expected priority to be in the range (0 - 65535), got %d", n))
	}
	for i, r := range provider.Strs(in, "sourceRanges") {
		if p, err := netip.ParsePrefix(r); err != nil || p != p.Masked() {
			f = append(f, provider.Failure(fmt.Sprintf("sourceRanges[%d]", i), "invalid value for field 'resource.sourceRanges[%d]': '%s': must be a valid CIDR address range", i, r))
		}
	}
	for _, key := range []string{"sourceTags", "targetTags"} {
		f = append(f, checkTags(in, key)...)
	}
	for i, a := range provider.Objs(in, "allows") {
		path := fmt.Sprintf("allows[%d].", i)
		protocol := protocols[strings.ToLower(provider.Str(a, "protocol"))]
		if provider.Known(a, "protocol") && protocol == "" {
			f = append(f, provider.Failure(path+"protocol", "invalid value for field 'resource.allowed[%d].IPProtocol': '%s': the lab has tcp, udp, icmp and all", i, provider.Str(a, "protocol")))
		}
		for j, text := range provider.Strs(a, "ports") {
			if _, _, err := ports(text); err != nil {
				f = append(f, provider.Failure(fmt.Sprintf("%sports[%d]", path, j), "%v", err))
			} else if protocol == "icmp" || protocol == "all" {
				f = append(f, provider.Failure(fmt.Sprintf("%sports[%d]", path, j), "invalid value for field 'resource.allowed[%d].ports': ports may only be specified for tcp and udp", i))
			}
		}
	}
	return f
}

// checkTags checks network tags.
func checkTags(in props, key string) (f failures) {
	for i, t := range provider.Strs(in, key) {
		if !resourceName.MatchString(t) {
			f = append(f, mismatch(fmt.Sprintf("%s[%d]", key, i), t, resourceName))
		}
	}
	return f
}

// protocols maps the API's names and numbers of protocols to the routers'.
var protocols = map[string]string{"all": "all", "tcp": "tcp", "6": "tcp", "udp": "udp", "17": "udp", "icmp": "icmp", "1": "icmp"}

// ports parses a port or a range.
func ports(text string) (from, to int, err error) {
	first, last, ranged := strings.Cut(text, "-")
	if !ranged {
		last = first
	}
	from, err = strconv.Atoi(first)
	if err == nil {
		to, err = strconv.Atoi(last)
	}
	if err != nil || from < 1 || to > 65535 || from > to {
		return 0, 0, fmt.Errorf("invalid value for field 'ports': '%s': must be an integer or a range within 1 to 65535", text)
	}
	return from, to, nil
}

// allowed are a firewall's rules for its sources.
func allowed(f *cloud.Object, sources []netip.Prefix) (out []vm.Rule) {
	for _, a := range provider.Objs(f.Props, "allows") {
		rule := vm.Rule{Protocol: protocols[strings.ToLower(provider.Str(a, "protocol"))], Peers: slices.Clone(sources)}
		list := provider.Strs(a, "ports")
		if len(list) == 0 {
			out = append(out, rule)
		}
		for _, text := range list {
			rule.FromPort, rule.ToPort, _ = ports(text) // Check has found it valid
			out = append(out, rule)
		}
	}
	return out
}
