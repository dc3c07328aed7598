package main

import (
	"net/netip"

	"hybrid/clouds"
	"hybrid/federation"
	"hybrid/mesh"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"
)

// Settings is the stack config hybrid:*. Pulumi.yaml describes the keys and has
// their defaults.
type Settings struct {
	Clusters          []ClusterSettings
	AdminCIDRs        []netip.Prefix
	KubernetesVersion string
	PodCIDR           netip.Prefix
	RegistryMirror    string
	Kubeadm           clouds.KubeadmOverrides
	WeavePassword     string // empty: one is generated
	Mesh              MeshSettings
	Zone              ZoneSettings
	FederationToken   string // empty: one is generated
	Federation        FederationSettings
	Postgres          PostgresSettings
	// Empty: generated.
	PostgresPassword, ReplicationPassword string
}

// ZoneSettings is hybrid:zone.
type ZoneSettings struct {
	Enabled          bool
	Domain, Existing string
}

// FederationSettings is hybrid:federation.
type FederationSettings struct {
	Replicas                     int
	CertificateHours, RenewHours int
	GraceSeconds                 int
	StorageClass                 string
	EtcdArgs                     []string
}

// MeshSettings is hybrid:mesh.
type MeshSettings struct {
	Image         string
	MTU           int
	FastDatapath  bool
	InitContainer bool
}

// ClusterSettings is one item of hybrid:clusters.
type ClusterSettings struct {
	Name, Cloud, Region, Zone           string
	ControlPlaneType, WorkerType, Image string
	Workers                             int
	NetworkCIDR, ServiceCIDR            netip.Prefix
	FederationHost                      bool
}

// loadSettings reads and validates the stack's config. The error lists
// everything that is wrong with it, one line each.
func loadSettings(ctx *pulumi.Context) (*Settings, error) {
	get := func(key string) string { return config.Get(ctx, key) }
	var p problems
	s := decodeSettings(get, &p)
	s.validate(&p)
	checkProject(s, get, &p)
	checkSecrets(ctx.IsConfigSecret, get, &p)
	return s, p.err()
}

// clusterArgs is what a cluster needs to know of the settings.
func (s *Settings) clusterArgs(c ClusterSettings) *clouds.ClusterArgs {
	return &clouds.ClusterArgs{
		Cloud:             c.Cloud,
		Region:            c.Region,
		Zone:              c.Zone,
		ControlPlaneType:  c.ControlPlaneType,
		WorkerType:        c.WorkerType,
		Image:             c.Image,
		Workers:           c.Workers,
		NetworkCIDR:       c.NetworkCIDR,
		ServiceCIDR:       c.ServiceCIDR,
		PodCIDR:           s.PodCIDR,
		AdminCIDRs:        s.AdminCIDRs,
		KubernetesVersion: s.KubernetesVersion,
		Names:             s.names(c.Name),
		RegistryMirror:    s.RegistryMirror,
		Kubeadm:           s.Kubeadm,
		FederationHost:    c.FederationHost,
	}
}

// names are the names that something has in the DNS: one in the zone, or none
// without a zone.
func (s *Settings) names(label string) []string {
	if !s.Zone.Enabled {
		return nil
	}
	return []string{label + "." + s.Zone.Domain}
}

// host is the name of the cluster that hosts the federation, and seeds the mesh.
func (s *Settings) host() string {
	for _, c := range s.Clusters {
		if c.FederationHost {
			return c.Name
		}
	}
	return ""
}

// meshArgs is what the mesh needs to know of the settings.
func (s *Settings) meshArgs(ctx *pulumi.Context, clusters []*clouds.Cluster, openings []pulumi.Resource) *mesh.Args {
	args := &mesh.Args{
		Clusters:      clusters,
		Range:         s.PodCIDR,
		Image:         s.Mesh.Image,
		MTU:           s.Mesh.MTU,
		FastDatapath:  s.Mesh.FastDatapath,
		InitContainer: s.Mesh.InitContainer,
		Openings:      openings,
	}
	args.Host = s.hostOf(clusters)
	if s.WeavePassword != "" {
		args.Password = config.GetSecret(ctx, passwordKey)
	}
	return args
}

// zoneArgs is what the zone needs to know of the settings.
func (s *Settings) zoneArgs(ctx *pulumi.Context, clusters []*clouds.Cluster) *federation.ZoneArgs {
	return &federation.ZoneArgs{
		Domain:   s.Zone.Domain,
		Existing: s.Zone.Existing,
		Project:  config.Get(ctx, projectKey),
		Clusters: clusters,
		Host:     s.hostOf(clusters),
	}
}

// hostOf is the cluster that hosts the federation.
func (s *Settings) hostOf(clusters []*clouds.Cluster) *clouds.Cluster {
	for _, c := range clusters {
		if c.Name == s.host() {
			return c
		}
	}
	return nil
}

// federationArgs is what the federation needs to know of the settings.
func (s *Settings) federationArgs(ctx *pulumi.Context, clusters []*clouds.Cluster, n *network) *federation.Args {
	args := &federation.Args{
		Clusters:          clusters,
		Host:              s.hostOf(clusters),
		Mesh:              n.Up,
		KubernetesVersion: s.KubernetesVersion,
		Replicas:          s.Federation.Replicas,
		CertificateHours:  s.Federation.CertificateHours,
		RenewHours:        s.Federation.RenewHours,
		GraceSeconds:      s.Federation.GraceSeconds,
		Openings:          n.openings,
		Names:             s.names(federation.RecordName),
		StorageClass:      s.Federation.StorageClass,
		EtcdArgs:          s.Federation.EtcdArgs,
		// Weave Net's has a shell and curl, and is on every node.
		ToolsImage: s.Mesh.Image,
	}
	if s.FederationToken != "" {
		args.Token = config.GetSecret(ctx, tokenKey)
	}
	return args
}
