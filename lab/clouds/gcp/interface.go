package gcp

import (
	"fmt"
	"net/netip"
	"strings"

	"hybrid/lab/clouds/cloud"
	"hybrid/lab/plugins/provider"
)

// natIP is the external address of an instance, if it has one.
func natIP(o *cloud.Object) netip.Addr {
	for _, c := range provider.Objs(nic(o.Props), "accessConfigs") {
		if a, err := netip.ParseAddr(provider.Str(c, "natIp")); err == nil {
			return a
		}
	}
	return netip.Addr{}
}

func networkIP(o *cloud.Object) netip.Addr {
	a, _ := netip.ParseAddr(provider.Str(nic(o.Props), "networkIp"))
	return a
}

// chooseNAT returns the external address for an instance: none without an
// access config, the one that it names, or else one that comes and goes with
// the instance.
func chooseNAT(tx *cloud.Tx, id string, p props) (string, error) {
	configs := provider.Objs(nic(p), "accessConfigs")
	if len(configs) == 0 {
		return "", nil
	}
	wanted := provider.Str(configs[0], "natIp")
	if wanted == "" {
		a, err := tx.LeasePublic(publicPool, id)
		return a.String(), err
	}
	if tx.Leases[wanted] == id {
		return wanted, nil // the ephemeral one that it has
	}
	reserved := tx.Find(typeAddress, "address", wanted)
	if reserved == nil {
		return "", fmt.Errorf("googleapi: Error 400: invalid value for field 'resource.networkInterfaces[0].accessConfigs[0].natIP': '%s': the specified external IP address was not found in region, invalid", wanted)
	}
	if r := provider.Str(reserved.Props, "region"); !strings.HasPrefix(provider.Str(p, "zone"), r+"-") {
		return "", fmt.Errorf("googleapi: Error 400: invalid value for field 'resource.networkInterfaces[0].accessConfigs[0].natIP': '%s': it is reserved in region %s, invalid", wanted, r)
	}
	for _, o := range usersOf(tx.State, reserved) {
		if o.ID != id {
			return "", fmt.Errorf("googleapi: Error 400: external IP address: %s is already in-use by %s, invalid", wanted, o.ID)
		}
	}
	reserved.Recorded = true // who knows the address knows its ID
	return wanted, nil
}

// interfaces returns the one interface with all that the API adds.
func interfaces(in props, home *cloud.Object, private, public string) props {
	one := provider.Merge(provider.From(map[string]any{"name": "nic0", "stackType": "IPV4_ONLY", "nicType": "", "queueCount": 0}), nic(in), provider.From(map[string]any{
		"networkIp": private, "network": provider.Str(home.Props, "network"), "subnetwork": api + home.ID,
		"subnetworkProject": provider.Str(home.Props, "project"), "accessConfigs": []any{},
	}))
	if public != "" {
		given := provider.Objs(nic(in), "accessConfigs")[0]
		access := provider.Merge(provider.From(map[string]any{"networkTier": "PREMIUM", "publicPtrDomainName": ""}), given, provider.From(map[string]any{"natIp": public}))
		one["accessConfigs"] = provider.From(map[string]any{"": []any{access.Mappable()}})[""]
	}
	return provider.From(map[string]any{"networkInterfaces": []any{one.Mappable()}})
}

// changeInstance changes what the API changes in place.
func changeInstance(tx *cloud.Tx, o *cloud.Object, all props) (props, error) {
	if provider.Str(o.Props, "machineType") != provider.Str(all, "machineType") && !provider.Bool(all, "allowStoppingForUpdate", false) {
		return nil, fmt.Errorf("changing the machine_type, min_cpu_platform, service_account, enable_display, shielded_instance_config, scheduling.node_affinities or network_interface.[#d].(network/subnetwork/subnetwork_project) or advanced_machine_features on a started instance requires stopping it: set allowStoppingForUpdate to true, or replace it")
	}
	if was, wanted := subnetOf(o.Props), subnetOf(all); was != wanted {
		// The API does, while it is stopped. It keeps its ID, and gets another address.
		return nil, fmt.Errorf("the lab doesn't move a machine from subnetwork %s to %s: replace it", was, wanted)
	}
	home := tx.Get(typeSubnetwork, subnetOf(o.Props))
	before := natIP(o).String()
	// An ephemeral address stays as long as the program names no other.
	wanted := provider.Merge(all)
	if configs := provider.Objs(nic(all), "accessConfigs"); len(configs) > 0 && provider.Str(configs[0], "natIp") == "" && tx.Leases[before] == o.ID {
		wanted = withNAT(all, before)
	}
	public, err := chooseNAT(tx, o.ID, provider.Merge(wanted, props{"zone": o.Props["zone"]}))
	if err != nil {
		return nil, err
	}
	if public != before && tx.Leases[before] == o.ID {
		delete(tx.Leases, before)
	}
	return provider.Merge(all, labels(all), interfaces(all, home, networkIP(o).String(), public), props{"zone": o.Props["zone"], "project": o.Props["project"]}), nil
}

// withNAT returns the properties with an external address.
func withNAT(p props, a string) props {
	plain := p.Mappable()
	plain["networkInterfaces"].([]any)[0].(map[string]any)["accessConfigs"].([]any)[0].(map[string]any)["natIp"] = a
	return provider.From(plain)
}
