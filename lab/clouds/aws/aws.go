// Package aws simulates Amazon EC2, and of S3 and IAM the buckets and who may enter them, for the lab: exactly the resources that the
// program uses, with the service's rules and its words for breaking them.
package aws

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"

	"hybrid/lab/clouds/cloud"
	"hybrid/lab/plugins/provider"
)

type (
	props    = provider.Props
	failures = provider.Failures
)

// The types' tokens.
const (
	typeVpc         = "aws:ec2/vpc:Vpc"
	typeSubnet      = "aws:ec2/subnet:Subnet"
	typeGateway     = "aws:ec2/internetGateway:InternetGateway"
	typeRouteTable  = "aws:ec2/routeTable:RouteTable"
	typeRouteAssoc  = "aws:ec2/routeTableAssociation:RouteTableAssociation"
	typeGroup       = "aws:ec2/securityGroup:SecurityGroup"
	typeIngressRule = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
	typeEgressRule  = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
	typeKeyPair     = "aws:ec2/keyPair:KeyPair"
	typeEip         = "aws:ec2/eip:Eip"
	typeEipAssoc    = "aws:ec2/eipAssociation:EipAssociation"
	typeInstance    = "aws:ec2/instance:Instance"
	typeBucket      = "aws:s3/bucketV2:BucketV2"
	typeUser        = "aws:iam/user:User"
	typeUserPolicy  = "aws:iam/userPolicy:UserPolicy"
	typeAccessKey   = "aws:iam/accessKey:AccessKey"
)

// account is the one account there is.
const account = "123456789012"

// publicPool are the addresses that this cloud has of the lab's internet.
var publicPool = netip.MustParsePrefix("198.18.64.0/19")

// New returns the cloud. It is used once it is attached.
func New() *cloud.Cloud {
	return &cloud.Cloud{
		Name: "aws",
		Types: map[string]*cloud.Type{
			typeVpc: vpc(), typeSubnet: subnet(), typeGateway: gateway(),
			typeRouteTable: routeTable(), typeRouteAssoc: routeAssociation(),
			typeGroup: group(), typeIngressRule: ingressRule(), typeEgressRule: egressRule(),
			typeKeyPair: keyPair(), typeEip: eip(), typeEipAssoc: eipAssociation(), typeInstance: instance(),
			typeBucket: bucket(), typeUser: user(), typeUserPolicy: userPolicy(), typeAccessKey: accessKey(),
		},
		Policies: policies, Publish: publish, NotFound: notFound, InUse: inUse,
	}
}

// Package returns the plugin of an attached cloud.
func Package(c *cloud.Cloud) *provider.Package {
	return &provider.Package{
		Name: "aws", Module: "github.com/pulumi/pulumi-aws/sdk/v6",
		Config: aws.ProviderArgs{}, ConfigForceNew: []string{"region"}, CheckConfig: checkConfig,
		Resources: c.Resources(),
		Functions: map[string]*provider.Function{
			"aws:ec2/getAmi:getAmi": {Args: ec2.LookupAmiArgs{}, Call: lookupAmi},
		},
	}
}

var regionName = regexp.MustCompile(`^(us|eu|ap|sa|ca|me|af|il|mx)-[a-z]+-[1-9]$`)

func checkConfig(in props) failures {
	if provider.Known(in, "region") && !regionName.MatchString(provider.Str(in, "region")) {
		return failures{provider.Failure("region", "invalid AWS Region: %s", provider.Str(in, "region"))}
	}
	return nil
}

// region is the provider's.
func region(config props) (string, error) {
	if r := provider.Str(config, "region"); r != "" {
		return r, nil
	}
	return "", fmt.Errorf("missing region configuration: set it on the provider, or `pulumi config set aws:region`")
}

func arn(region, kind, id string) string {
	return fmt.Sprintf("arn:aws:ec2:%s:%s:%s/%s", region, account, kind, id)
}

// common returns the outputs that nearly every type has.
func common(tx *cloud.Tx, in props, kind, id string) (props, error) {
	r, err := region(tx.Config)
	if err != nil {
		return nil, err
	}
	return provider.Merge(in, tagsAll(in), provider.From(map[string]any{"arn": arn(r, kind, id), "ownerId": account})), nil
}

func tagsAll(in props) props {
	all := map[string]any{}
	for k, v := range provider.StrMap(in, "tags") {
		all[k] = v
	}
	return provider.From(map[string]any{"tagsAll": all})
}

// retag is the Change of types whose updates matter for tags alone.
func retag(_ *cloud.Tx, _ *cloud.Object, all props) (props, error) {
	return provider.Merge(all, tagsAll(all)), nil
}

// checkTags knows the service's limits on tags.
func checkTags(in props) (f failures) {
	for k, v := range provider.StrMap(in, "tags") {
		switch path := "tags." + k; {
		case strings.HasPrefix(strings.ToLower(k), "aws:"):
			f = append(f, provider.Failure(path, "InvalidParameterValue: tag keys starting with 'aws:' are reserved for internal use"))
		case k == "" || len(k) > 128:
			f = append(f, provider.Failure(path, "InvalidParameterValue: tag keys have 1 to 128 characters, found %d", len(k)))
		case len(v) > 256:
			f = append(f, provider.Failure(path, "InvalidParameterValue: tag values have at most 256 characters, found %d", len(v)))
		}
	}
	return f
}

// onlyTags is the Check of types that have nothing else to check.
func onlyTags(_ *provider.Call, in props) failures { return checkTags(in) }

// oneOf checks an enumeration as the vendor's provider does.
func oneOf(in props, key string, allowed ...string) failures {
	if v := provider.Str(in, key); provider.Known(in, key) && !slices.Contains(allowed, v) {
		return failures{provider.Failure(key, "expected %s to be one of %q, got %s", key, allowed, v)}
	}
	return nil
}

// checkCIDR wants an IPv4 network in its canonical form.
func checkCIDR(in props, key string) (netip.Prefix, failures) {
	if !provider.Known(in, key) {
		return netip.Prefix{}, nil
	}
	text := provider.Str(in, key)
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil || !p.Addr().Is4():
		return p, failures{provider.Failure(key, "%q is not a valid IPv4 CIDR block: %v", text, orNotIPv4(err))}
	case p != p.Masked():
		return p, failures{provider.Failure(key, "%q is not a valid IPv4 CIDR block; did you mean %q?", text, p.Masked())}
	}
	return p, nil
}

func orNotIPv4(err error) error {
	if err == nil {
		return fmt.Errorf("it is an IPv6 one")
	}
	return err
}
