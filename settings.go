package main

import (
	"net/netip"

	"hybrid/clouds"
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
	Postgres          PostgresSettings
	// Empty: generated.
	PostgresPassword, ReplicationPassword string
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
	checkSecret(ctx.IsConfigSecret, get, &p)
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
		RegistryMirror:    s.RegistryMirror,
		Kubeadm:           s.Kubeadm,
	}
}

// host is the name of the cluster that seeds the mesh: the one that hosts the
// federation.
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
	for _, c := range clusters {
		if c.Name == s.host() {
			args.Host = c
		}
	}
	if s.WeavePassword != "" {
		args.Password = config.GetSecret(ctx, passwordKey)
	}
	return args
}
