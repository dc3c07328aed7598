package federation

import (
	"fmt"
	"strings"

	"hybrid/clouds"

	"github.com/pulumi/pulumi-gcp/sdk/v7/go/gcp"
	"github.com/pulumi/pulumi-gcp/sdk/v7/go/gcp/dns"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// RecordName is what the federation's API is called within the zone. No cluster may
// have this name.
const RecordName = "federation"

// recordTTL is how many seconds others may remember an address. A node that is made
// again may have another one, and a minute is what users put up with; more would save
// nothing, for these names are asked for by few.
const recordTTL = 60

// ZoneArgs says what the zone is to be. The settings have been validated before.
type ZoneArgs struct {
	ZoneSettings

	// Mandatory.

	// Clusters each have a name: <cluster>.<domain>.
	Clusters []*clouds.Cluster
	// Host is the one of them whose nodes serve the federation's API.
	Host *clouds.Cluster

	// Defaulted.

	// Project is the Google Cloud project of the zone: the stack's (gcp:project).
	Project string
}

// Zone is the names of all clusters, and of the federation, in Google's Cloud DNS.
type Zone struct {
	pulumi.ResourceState

	// Domain is what all names end in.
	Domain string
	// NameServers know the zone. The domain is to be delegated to them.
	NameServers pulumi.StringArrayOutput
	// Records exist when the names do.
	Records []pulumi.Resource
}

// NewZone makes the zone, or finds it, and the records in it. It needs an account
// with Google, but no cluster there.
func NewZone(ctx *pulumi.Context, name string, args *ZoneArgs, opts ...pulumi.ResourceOption) (*Zone, error) {
	z := &Zone{Domain: args.Domain}
	if err := ctx.RegisterComponentResource("hybrid:federation:Zone", name, z, opts...); err != nil {
		return nil, fmt.Errorf("zone %q: %w", args.Domain, err)
	}
	if err := z.build(ctx, name, args); err != nil {
		return nil, fmt.Errorf("zone %q: %w", args.Domain, err)
	}
	return z, ctx.RegisterResourceOutputs(z, pulumi.Map{"domain": pulumi.String(z.Domain), "nameServers": z.NameServers})
}

func (z *Zone) build(ctx *pulumi.Context, name string, args *ZoneArgs) error {
	project := clouds.GoogleProject(ctx)
	if args.Project != "" {
		project = pulumi.String(args.Project)
	}
	provider, err := clouds.GoogleProvider(ctx, name+"-gcp", gcp.ProviderArgs{Project: project}, pulumi.Parent(z))
	if err != nil {
		return err
	}
	var zone pulumi.StringOutput
	if args.Existing != "" {
		zone = z.find(ctx, args, provider)
	} else if zone, err = z.make(ctx, name, args, project, provider); err != nil {
		return err
	}
	names := map[string][]*clouds.Node{RecordName: args.Host.Nodes} // each of them serves it
	order := []string{RecordName}
	for _, c := range args.Clusters {
		names[c.Name], order = c.Nodes[:1], append(order, c.Name)
	}
	for _, label := range order {
		var addresses pulumi.StringArray
		for _, n := range names[label] {
			addresses = append(addresses, n.PublicAddress)
		}
		record, err := dns.NewRecordSet(ctx, name+"-"+label, &dns.RecordSetArgs{
			ManagedZone: zone, Name: pulumi.String(label + "." + args.Domain + "."),
			Type: pulumi.String("A"), Ttl: pulumi.Int(recordTTL), Rrdatas: addresses, Project: project,
		}, pulumi.Parent(z), pulumi.Provider(provider))
		if err != nil {
			return err
		}
		z.Records = append(z.Records, record)
	}
	return nil
}

// make makes a public zone. What others put into it keeps it from being
// destroyed: its own records, which go first, don't.
func (z *Zone) make(ctx *pulumi.Context, name string, args *ZoneArgs, project pulumi.StringPtrInput, provider pulumi.ProviderResource) (pulumi.StringOutput, error) {
	zone, err := dns.NewManagedZone(ctx, name, &dns.ManagedZoneArgs{
		DnsName:     pulumi.String(args.Domain + "."),
		Description: pulumi.String("The APIs of the clusters and of their federation"), Project: project,
	}, pulumi.Parent(z), pulumi.Provider(provider))
	if err != nil {
		return pulumi.StringOutput{}, err
	}
	z.NameServers = zone.NameServers
	return zone.Name, nil
}

// find looks the zone up. It may be that of the domain or of one above.
func (z *Zone) find(ctx *pulumi.Context, args *ZoneArgs, provider pulumi.ProviderResource) pulumi.StringOutput {
	found := dns.LookupManagedZoneOutput(ctx, dns.LookupManagedZoneOutputArgs{Name: pulumi.String(args.Existing)},
		pulumi.Parent(z), pulumi.Provider(provider))
	z.NameServers = found.NameServers()
	return found.ApplyT(func(r dns.LookupManagedZoneResult) (string, error) {
		if r.Visibility == "private" {
			return "", fmt.Errorf("hybrid:zone: the managed zone %q is private, so its names would not be known elsewhere: name a public one", r.Name)
		}
		if !strings.HasSuffix("."+args.Domain+".", "."+r.DnsName) {
			return "", fmt.Errorf("hybrid:zone: the managed zone %q is that of %q, which %s is not in: name another, or set domain", r.Name, r.DnsName, args.Domain)
		}
		return r.Name, nil
	}).(pulumi.StringOutput)
}
