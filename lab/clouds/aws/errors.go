package aws

import (
	"fmt"
	"strings"

	"hybrid/lab/clouds/cloud"
)

// kinds are the service's names of the types, in its error codes and messages.
var kinds = map[string]struct{ code, text string }{
	typeVpc:         {"InvalidVpcID.NotFound", "vpc ID"},
	typeSubnet:      {"InvalidSubnetID.NotFound", "subnet ID"},
	typeGateway:     {"InvalidInternetGatewayID.NotFound", "internetGateway ID"},
	typeRouteTable:  {"InvalidRouteTableID.NotFound", "routeTable ID"},
	typeRouteAssoc:  {"InvalidAssociationID.NotFound", "association ID"},
	typeGroup:       {"InvalidGroup.NotFound", "security group"},
	typeIngressRule: {"InvalidSecurityGroupRuleId.NotFound", "security group rule ID"},
	typeEgressRule:  {"InvalidSecurityGroupRuleId.NotFound", "security group rule ID"},
	typeKeyPair:     {"InvalidKeyPair.NotFound", "key pair"},
	typeEip:         {"InvalidAllocationID.NotFound", "allocation ID"},
	typeEipAssoc:    {"InvalidAssociationID.NotFound", "association ID"},
	typeInstance:    {"InvalidInstanceID.NotFound", "instance ID"},
	typeBucket:      {"NoSuchBucket", "bucket"},
	typeUser:        {"NoSuchEntity", "user"},
	typeUserPolicy:  {"NoSuchEntity", "user policy"},
	typeAccessKey:   {"NoSuchEntity", "access key"},
}

func notFound(r cloud.Ref) error {
	k := kinds[r.Type]
	return fmt.Errorf("%s: the %s '%s' does not exist", k.code, k.text, r.ID)
}

func inUse(o *cloud.Object, by []*cloud.Object) error {
	ids := make([]string, len(by))
	for i, d := range by {
		ids[i] = d.ID
	}
	dependents := strings.Join(ids, ", ")
	switch o.Type {
	case typeEip:
		return fmt.Errorf("InvalidIPAddress.InUse: address of %s is in use by %s", o.ID, dependents)
	case typeGroup:
		return fmt.Errorf("DependencyViolation: resource %s has a dependent object: %s", o.ID, dependents)
	case typeUser:
		return fmt.Errorf("DeleteConflict: Cannot delete entity, must remove %s from %s first", dependents, o.ID)
	case typeGateway:
		return fmt.Errorf("DependencyViolation: the network of %s has some mapped public addresses or routes (%s): unmap those before detaching the gateway", o.ID, dependents)
	}
	return fmt.Errorf("DependencyViolation: the %s '%s' has dependencies and cannot be deleted: %s", kinds[o.Type].text, o.ID, dependents)
}
