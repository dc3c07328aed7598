package aws

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	awsvpc "github.com/pulumi/pulumi-aws/sdk/v6/go/aws/vpc"

	"hybrid/lab/clouds/cloud"
	"hybrid/lab/plugins/provider"
)

// description are the characters that the service takes in descriptions (see
// CreateSecurityGroup in the EC2 API reference): no quotes, no umlauts.
var description = regexp.MustCompile(`^[0-9A-Za-z_ .:/()#,@\[\]+=&;\{\}!$*-]{0,255}$`)

func checkDescription(in props) failures {
	if d := provider.Str(in, "description"); provider.Known(in, "description") && !description.MatchString(d) {
		return failures{provider.Failure("description", "InvalidParameterValue: invalid description %q: at most 255 characters from a-z, A-Z, 0-9, spaces, and ._-:/()#,@[]+=&;{}!$*", d)}
	}
	return nil
}

func group() *cloud.Type {
	return &cloud.Type{
		Schema: provider.Schema{
			Args: ec2.SecurityGroupArgs{}, Outputs: ec2.SecurityGroup{}, Name: "name",
			Required: []string{"vpcId"}, // the lab has no default VPC
			// Inline rules and those of their own undo each other: the lab has the latter alone.
			Supported: []string{"name", "description", "revokeRulesOnDelete", "tags"},
			ForceNew:  []string{"name", "description", "vpcId"},
			Computed:  []string{"namePrefix", "ingress", "egress"},
			Defaults:  map[string]any{"description": "Managed by Pulumi", "revokeRulesOnDelete": false},
		},
		Waits: true,
		Check: func(_ *provider.Call, in props) failures {
			f := checkDescription(in)
			if provider.Known(in, "description") && provider.Str(in, "description") == "" {
				f = append(f, provider.Failure("description", "cannot be an empty string"))
			}
			if name := provider.Str(in, "name"); provider.Known(in, "name") {
				switch {
				case strings.HasPrefix(name, "sg-"):
					f = append(f, provider.Failure("name", "invalid value for name (cannot begin with sg-)"))
				case !description.MatchString(name) || name == "":
					f = append(f, provider.Failure("name", "InvalidParameterValue: invalid value %q for groupName: 1 to 255 of the characters that descriptions have", name))
				}
			}
			return append(f, checkTags(in)...)
		},
		Refs: func(p props) []cloud.Ref {
			return []cloud.Ref{{Property: "vpcId", Type: typeVpc, ID: provider.Str(p, "vpcId")}}
		},
		Place: func(tx *cloud.Tx, in props) (string, props, error) {
			id, name, home := cloud.NewID("sg"), provider.Str(in, "name"), provider.Str(in, "vpcId")
			for _, other := range tx.All(typeGroup) {
				if provider.Str(other.Props, "name") == name && provider.Str(other.Props, "vpcId") == home {
					return "", nil, fmt.Errorf("InvalidGroup.Duplicate: the security group '%s' already exists for VPC '%s'", name, home)
				}
			}
			all, err := common(tx, in, "security-group", id)
			return id, all, err
		},
		Change: retag,
		// A group takes its own rules along.
		Leave: func(tx *cloud.Tx, o *cloud.Object) error {
			for _, typ := range []string{typeIngressRule, typeEgressRule} {
				for _, rule := range tx.All(typ) {
					if provider.Str(rule.Props, "securityGroupId") == o.ID {
						delete(tx.Objects, rule.ID)
					}
				}
			}
			return nil
		},
	}
}

func ingressRule() *cloud.Type {
	return rule(typeIngressRule, awsvpc.SecurityGroupIngressRuleArgs{}, awsvpc.SecurityGroupIngressRule{})
}

func egressRule() *cloud.Type {
	return rule(typeEgressRule, awsvpc.SecurityGroupEgressRuleArgs{}, awsvpc.SecurityGroupEgressRule{})
}

func rule(token string, args, outputs any) *cloud.Type {
	return &cloud.Type{
		Schema: provider.Schema{
			Args: args, Outputs: outputs,
			Supported:  []string{"cidrIpv4", "description", "fromPort", "referencedSecurityGroupId", "toPort", "tags"},
			ExactlyOne: [][]string{{"cidrIpv4", "cidrIpv6", "prefixListId", "referencedSecurityGroupId"}},
			ForceNew:   []string{"securityGroupId"},
		},
		Check: checkRule,
		Refs: func(p props) []cloud.Ref {
			return []cloud.Ref{
				{Property: "securityGroupId", Type: typeGroup, ID: provider.Str(p, "securityGroupId"), Weak: true},
				{Property: "referencedSecurityGroupId", Type: typeGroup, ID: foreign(p)},
			}
		},
		Place: func(tx *cloud.Tx, in props) (string, props, error) {
			for _, other := range tx.All(token) {
				if sameRule(other.Props, in) {
					return "", nil, fmt.Errorf("InvalidPermission.Duplicate: the specified rule %q already exists (%s)", describe(in), other.ID)
				}
			}
			if err := checkReferenced(tx.State, in); err != nil {
				return "", nil, err
			}
			id := cloud.NewID("sgr")
			r, err := region(tx.Config)
			return id, provider.Merge(in, tagsAll(in), provider.From(map[string]any{
				"arn": arn(r, "security-group-rule", id), "securityGroupRuleId": id,
			})), err
		},
		Change: func(tx *cloud.Tx, o *cloud.Object, all props) (props, error) {
			for _, other := range tx.All(token) {
				if other.ID != o.ID && sameRule(other.Props, all) {
					return nil, fmt.Errorf("InvalidPermission.Duplicate: the specified rule %q already exists (%s)", describe(all), other.ID)
				}
			}
			return retag(tx, o, all)
		},
	}
}

// foreign is the group that a rule refers to, unless it is the rule's own: a
// group that refers to itself can be deleted.
func foreign(p props) string {
	id := provider.Str(p, "referencedSecurityGroupId")
	if id == provider.Str(p, "securityGroupId") {
		return ""
	}
	return id
}

// checkReferenced wants both groups in the same VPC: the lab has no peering.
func checkReferenced(s *cloud.State, p props) error {
	own, other := s.Get(typeGroup, provider.Str(p, "securityGroupId")), s.Get(typeGroup, foreign(p))
	if other != nil && provider.Str(own.Props, "vpcId") != provider.Str(other.Props, "vpcId") {
		return fmt.Errorf("InvalidGroup.NotFound: you have specified two resources that belong to different networks (%s, %s)", own.ID, other.ID)
	}
	return nil
}
