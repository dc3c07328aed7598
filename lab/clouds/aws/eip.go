package aws

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"

	"hybrid/lab/clouds/cloud"
	"hybrid/lab/plugins/provider"
)

func eip() *cloud.Type {
	return &cloud.Type{
		Schema: provider.Schema{
			Args: ec2.EipArgs{}, Outputs: ec2.Eip{},
			Supported: []string{"domain", "tags"}, // addresses are associated by EipAssociation alone
			ForceNew:  []string{"domain"},
			Computed:  []string{"domain", "instance", "networkInterface", "networkBorderGroup", "publicIpv4Pool", "vpc"},
		},
		Check: func(_ *provider.Call, in props) failures {
			return append(oneOf(in, "domain", "vpc"), checkTags(in)...)
		},
		Place: func(tx *cloud.Tx, in props) (string, props, error) {
			id := cloud.NewID("eipalloc")
			address, err := tx.LeasePublic(publicPool, id)
			if err != nil {
				return "", nil, fmt.Errorf("AddressLimitExceeded: %w", err)
			}
			all, err := common(tx, in, "elastic-ip", id)
			delete(all, "ownerId")
			r := provider.Str(tx.Config, "region")
			return id, provider.Merge(provider.From(map[string]any{"domain": "vpc"}), all, provider.From(map[string]any{
				"allocationId": id, "publicIp": address.String(), "publicDns": publicDNS(address.String(), r),
				"networkBorderGroup": r, "publicIpv4Pool": "amazon", "vpc": true,
			})), err
		},
		Change: retag,
		View: func(s *cloud.State, o *cloud.Object) props {
			out := map[string]any{"associationId": "", "instance": "", "privateIp": ""}
			if a := s.Find(typeEipAssoc, "allocationId", o.ID); a != nil {
				out["associationId"], out["instance"] = a.ID, provider.Str(a.Props, "instanceId")
				out["privateIp"] = provider.Str(a.Props, "privateIpAddress")
			}
			return provider.From(out)
		},
	}
}

func publicDNS(address, region string) string {
	return fmt.Sprintf("ec2-%s.%s.compute.amazonaws.com", strings.ReplaceAll(address, ".", "-"), region)
}

func eipAssociation() *cloud.Type {
	return &cloud.Type{
		Schema: provider.Schema{
			Args: ec2.EipAssociationArgs{}, Outputs: ec2.EipAssociation{},
			Required:  []string{"allocationId", "instanceId"},
			Supported: []string{"allowReassociation"},
			ForceNew:  []string{"allocationId", "allowReassociation", "instanceId"},
			Computed:  []string{"networkInterfaceId", "privateIpAddress", "publicIp"},
		},
		Refs: func(p props) []cloud.Ref {
			return []cloud.Ref{
				{Property: "allocationId", Type: typeEip, ID: provider.Str(p, "allocationId")},
				// An instance takes its associations along.
				{Property: "instanceId", Type: typeInstance, ID: provider.Str(p, "instanceId"), Weak: true},
			}
		},
		Place: placeEipAssociation,
	}
}

func placeEipAssociation(tx *cloud.Tx, in props) (string, props, error) {
	allocation := provider.Str(in, "allocationId")
	address, machine := tx.Get(typeEip, allocation), tx.Get(typeInstance, provider.Str(in, "instanceId"))
	if home := vpcOf(tx.State, machine); tx.Find(typeGateway, "vpcId", home) == nil {
		return "", nil, fmt.Errorf("Gateway.NotAttached: network %s is not attached to any internet gateway", home)
	}
	// An address or an instance that has a partner changes to the new one.
	for _, other := range tx.All(typeEipAssoc) {
		sameAddress := provider.Str(other.Props, "allocationId") == allocation
		if sameAddress && !provider.Bool(in, "allowReassociation", true) {
			return "", nil, fmt.Errorf("Resource.AlreadyAssociated: resource %s is already associated with associate-id %s", allocation, other.ID)
		}
		if sameAddress || provider.Str(other.Props, "instanceId") == machine.ID {
			delete(tx.Objects, other.ID)
		}
	}
	return cloud.NewID("eipassoc"), provider.Merge(in, provider.From(map[string]any{
		"publicIp":           provider.Str(address.Props, "publicIp"),
		"privateIpAddress":   provider.Str(machine.Props, "privateIp"),
		"networkInterfaceId": provider.Str(machine.Props, "primaryNetworkInterfaceId"),
	})), nil
}

// vpcOf is the ID of the VPC that an instance is in.
func vpcOf(s *cloud.State, machine *cloud.Object) string {
	if home := s.Get(typeSubnet, provider.Str(machine.Props, "subnetId")); home != nil {
		return provider.Str(home.Props, "vpcId")
	}
	return ""
}
