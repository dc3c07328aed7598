package mesh

import (
	"slices"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// hostPaths are the node's files that Weave Net uses, with where its scripts look
// for them.
var hostPaths = []struct{ name, node, container, kind string }{
	// What the peer knows of the ring: without it a restarted one would come back
	// with other addresses.
	{"weavedb", "/var/lib/weave", "/weavedb", ""},
	// CNI plugins and their configuration.
	{"cni-bin", "/opt", "/host/opt", ""},
	{"cni-bin2", "/home", "/host/home", ""},
	{"cni-conf", "/etc", "/host/etc", ""},
	// A peer's name is made of the machine's identity, from here or from
	// /etc/machine-id.
	{"dbus", "/var/lib/dbus", "/host/var/lib/dbus", ""},
	{"lib-modules", "/lib/modules", "/lib/modules", ""},
	{"xtables-lock", "/run/xtables.lock", "/run/xtables.lock", "FileOrCreate"},
}

func volumes() v1.VolumeArray {
	all := v1.VolumeArray{v1.VolumeArgs{
		Name:      pulumi.String("settings"),
		ConfigMap: v1.ConfigMapVolumeSourceArgs{Name: pulumi.String(settingsName)},
	}}
	for _, p := range hostPaths {
		source := v1.HostPathVolumeSourceArgs{Path: pulumi.String(p.node)}
		if p.kind != "" {
			source.Type = pulumi.String(p.kind)
		}
		all = append(all, v1.VolumeArgs{Name: pulumi.String(p.name), HostPath: source})
	}
	return all
}

// mounts are some of the volumes.
func mounts(names ...string) v1.VolumeMountArray {
	var all v1.VolumeMountArray
	if slices.Contains(names, "settings") {
		all = append(all, v1.VolumeMountArgs{
			Name: pulumi.String("settings"), MountPath: pulumi.String(meetings), ReadOnly: pulumi.Bool(true),
		})
	}
	for _, p := range hostPaths {
		if !slices.Contains(names, p.name) {
			continue
		}
		mount := v1.VolumeMountArgs{Name: pulumi.String(p.name), MountPath: pulumi.String(p.container)}
		if p.name == "dbus" {
			mount.ReadOnly = pulumi.Bool(true)
		}
		all = append(all, mount)
	}
	return all
}
