package aws

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"

	"hybrid/lab/clouds/cloud"
	"hybrid/lab/plugins/provider"
)

func gateway() *cloud.Type {
	return &cloud.Type{
		Schema: provider.Schema{
			Args: ec2.InternetGatewayArgs{}, Outputs: ec2.InternetGateway{},
			Required:  []string{"vpcId"}, // there are no InternetGatewayAttachments in the lab
			Supported: []string{"tags"},
		},
		Waits: true,
		Check: onlyTags,
		Refs: func(p props) []cloud.Ref {
			return []cloud.Ref{{Property: "vpcId", Type: typeVpc, ID: provider.Str(p, "vpcId")}}
		},
		Place: func(tx *cloud.Tx, in props) (string, props, error) {
			id, vpc := cloud.NewID("igw"), provider.Str(in, "vpcId")
			if other := tx.Find(typeGateway, "vpcId", vpc); other != nil {
				return "", nil, fmt.Errorf("Resource.AlreadyAssociated: resource %s is already attached to network %s", other.ID, vpc)
			}
			all, err := common(tx, in, "internet-gateway", id)
			return id, all, err
		},
		Change: changeGateway,
		Blocks: func(s *cloud.State, o *cloud.Object) (out []*cloud.Object) {
			for _, m := range s.All(typeInstance) {
				if vpcOf(s, m) == provider.Str(o.Props, "vpcId") && publicAddress(s, m) != "" {
					out = append(out, m)
				}
			}
			return out
		},
	}
}

// changeGateway takes a gateway from one VPC to another, which the vendor's provider
// tries for 20 minutes while the service refuses to detach it.
func changeGateway(tx *cloud.Tx, o *cloud.Object, all props) (props, error) {
	vpc := provider.Str(all, "vpcId")
	if vpc != provider.Str(o.Props, "vpcId") {
		if by := tx.Cloud.Types[typeGateway].Blocks(tx.State, o); len(by) > 0 {
			return nil, inUse(o, by)
		}
		if other := tx.Find(typeGateway, "vpcId", vpc); other != nil {
			return nil, fmt.Errorf("Resource.AlreadyAssociated: resource %s is already attached to network %s", other.ID, vpc)
		}
	}
	return retag(tx, o, all)
}

func routeTable() *cloud.Type {
	return &cloud.Type{
		Schema: provider.Schema{
			Args: ec2.RouteTableArgs{}, Outputs: ec2.RouteTable{},
			Supported: []string{"routes", "tags"},
			Unsupported: nested("routes", "carrierGatewayId", "coreNetworkArn", "destinationPrefixListId", "egressOnlyGatewayId",
				"ipv6CidrBlock", "localGatewayId", "natGatewayId", "networkInterfaceId", "transitGatewayId", "vpcEndpointId", "vpcPeeringConnectionId"),
			ForceNew: []string{"vpcId"},
			Computed: []string{"propagatingVgws"},
			Defaults: map[string]any{"routes": []any{}},
			Sets:     []string{"routes"},
		},
		Check: func(_ *provider.Call, in props) (f failures) {
			for i, r := range provider.Objs(in, "routes") {
				path := fmt.Sprintf("routes[%d].", i)
				_, wrong := checkCIDR(r, "cidrBlock")
				for _, w := range wrong {
					f = append(f, provider.Failure(path+string(w.Property), "%s", w.Reason))
				}
				if !provider.Set(r, "cidrBlock") {
					f = append(f, provider.Failure(path+"cidrBlock", "one of cidr_block, ipv6_cidr_block, destination_prefix_list_id must be specified"))
				}
				if !provider.Set(r, "gatewayId") {
					f = append(f, provider.Failure(path+"gatewayId", "no target found for route: one such as gateway_id must be specified"))
				}
			}
			return append(f, checkTags(in)...)
		},
		Refs: func(p props) []cloud.Ref {
			refs := []cloud.Ref{{Property: "vpcId", Type: typeVpc, ID: provider.Str(p, "vpcId")}}
			for _, r := range provider.Objs(p, "routes") {
				if id := provider.Str(r, "gatewayId"); id != "local" {
					// A route to a gateway that is gone stays, as a black hole.
					refs = append(refs, cloud.Ref{Property: "routes.gatewayId", Type: typeGateway, ID: id, Weak: true})
				}
			}
			return refs
		},
		Place: func(tx *cloud.Tx, in props) (string, props, error) {
			if err := checkRoutes(tx, in); err != nil {
				return "", nil, err
			}
			id := cloud.NewID("rtb")
			all, err := common(tx, in, "route-table", id)
			return id, all, err
		},
		Change: func(tx *cloud.Tx, o *cloud.Object, all props) (props, error) {
			if err := checkRoutes(tx, all); err != nil {
				return nil, err
			}
			return retag(tx, o, all)
		},
	}
}

// checkRoutes wants gateways of the table's own VPC.
func checkRoutes(tx *cloud.Tx, p props) error {
	seen := map[string]bool{}
	for _, r := range provider.Objs(p, "routes") {
		id, cidr := provider.Str(r, "gatewayId"), provider.Str(r, "cidrBlock")
		if seen[cidr] {
			return fmt.Errorf("RouteAlreadyExists: the route identified by %s already exists", cidr)
		}
		seen[cidr] = true
		if g := tx.Get(typeGateway, id); g != nil && provider.Str(g.Props, "vpcId") != provider.Str(p, "vpcId") {
			return fmt.Errorf("InvalidParameterValue: route table and network gateway %s belong to different networks", id)
		}
	}
	return nil
}

func routeAssociation() *cloud.Type {
	return &cloud.Type{
		Schema: provider.Schema{
			Args: ec2.RouteTableAssociationArgs{}, Outputs: ec2.RouteTableAssociation{},
			Required:  []string{"subnetId"},
			Supported: []string{},
			ForceNew:  []string{"subnetId"},
		},
		Refs: func(p props) []cloud.Ref {
			return []cloud.Ref{
				{Property: "routeTableId", Type: typeRouteTable, ID: provider.Str(p, "routeTableId")},
				{Property: "subnetId", Type: typeSubnet, ID: provider.Str(p, "subnetId")},
			}
		},
		Place: func(tx *cloud.Tx, in props) (string, props, error) {
			if other := tx.Find(typeRouteAssoc, "subnetId", provider.Str(in, "subnetId")); other != nil {
				return "", nil, fmt.Errorf("Resource.AlreadyAssociated: the specified association for route table %s conflicts with an existing association (%s)", provider.Str(in, "routeTableId"), other.ID)
			}
			return cloud.NewID("rtbassoc"), in, nil
		},
	}
}

// nested returns paths below a property.
func nested(property string, keys ...string) []string {
	out := make([]string, len(keys))
	for i, k := range keys {
		out[i] = strings.Join([]string{property, k}, ".")
	}
	return out
}

// routed says whether a subnet's route table leads to the internet. Without an
// association it is the VPC's main one, which doesn't.
func routed(s *cloud.State, subnet string) bool {
	a := s.Find(typeRouteAssoc, "subnetId", subnet)
	if a == nil {
		return false
	}
	table := s.Get(typeRouteTable, provider.Str(a.Props, "routeTableId"))
	if table == nil {
		return false
	}
	for _, r := range provider.Objs(table.Props, "routes") {
		if provider.Str(r, "cidrBlock") == "0.0.0.0/0" && s.Get(typeGateway, provider.Str(r, "gatewayId")) != nil {
			return true
		}
	}
	return false
}
