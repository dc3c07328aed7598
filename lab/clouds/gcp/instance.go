package gcp

import (
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi/pulumi-gcp/sdk/v7/go/gcp/compute"

	"hybrid/lab/clouds/cloud"
	"hybrid/lab/plugins/provider"
)

// maxMetadata is the limit of one metadata value, in bytes.
const maxMetadata = 256 * 1024

var (
	machineType = regexp.MustCompile(`^(?:(?:[a-z][0-9][a-z]?-)?custom-[0-9]+-[0-9]+(?:-ext)?|e2-(?:micro|small|medium)|f1-micro|g1-small|[a-z][0-9][a-z]?-(?:standard|highmem|highcpu|megamem|ultramem)-[0-9]+(?:-lssd)?)$`)
	metadataKey = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,128}$`)
	// families of images. Whatever is chosen boots the lab's own.
	families = []string{
		"ubuntu-os-cloud/ubuntu-2204-lts", "ubuntu-os-cloud/ubuntu-2404-lts-amd64", "ubuntu-os-cloud/ubuntu-minimal-2404-lts-amd64",
		"debian-cloud/debian-12", "debian-cloud/debian-13",
	}
)

func instance() *cloud.Type {
	return &cloud.Type{
		Schema: provider.Schema{
			Args: compute.InstanceArgs{}, Outputs: compute.Instance{}, Name: "name",
			Required: []string{"networkInterfaces"},
			Supported: []string{
				"allowStoppingForUpdate", "desiredStatus", "labels", "metadata", "name", "project", "tags", "zone",
				// These make no difference to a container.
				"canIpForward", "description", "scheduling", "serviceAccount", "shieldedInstanceConfig",
			},
			Unsupported: []string{
				"bootDisk.source", "networkInterfaces.aliasIpRanges", "networkInterfaces.ipv6AccessConfigs", "networkInterfaces.networkAttachment",
				"metadata.startup-script", "metadata.startup-script-url", "metadata.user-data-encoding",
			},
			ForceNew: []string{
				"bootDisk.deviceName", "bootDisk.initializeParams", "bootDisk.diskEncryptionKeyRaw", "bootDisk.kmsKeySelfLink", "canIpForward",
				"description", "name", "networkInterfaces.networkIp", "networkInterfaces.nicType", "project", "zone",
			},
			Computed: []string{
				"bootDisk", "confidentialInstanceConfig", "guestAccelerators", "minCpuPlatform", "networkInterfaces", "project",
				"reservationAffinity", "scheduling", "shieldedInstanceConfig", "zone",
			},
			Defaults: map[string]any{"canIpForward": false, "deletionProtection": false},
			Sets:     []string{"tags"},
			Equal:    sameLink,
		},
		Check: checkInstance,
		Ready: located,
		Refs: func(p props) []cloud.Ref {
			return []cloud.Ref{{Property: "networkInterfaces.subnetwork", Type: typeSubnetwork, ID: subnetOf(p)}}
		},
		Place:   placeInstance,
		Change:  changeInstance,
		Machine: machine,
		Running: func(running bool) props {
			status := "TERMINATED"
			if running {
				status = "RUNNING"
			}
			return provider.From(map[string]any{"currentStatus": status})
		},
		Stops: func(before, after props) bool {
			return provider.Str(before, "machineType") != provider.Str(after, "machineType")
		},
		Starts: func(_, after props) bool { return provider.Str(after, "desiredStatus") == "RUNNING" },
	}
}

// nic is the one network interface, or nil.
func nic(p props) props {
	if list := provider.Objs(p, "networkInterfaces"); len(list) > 0 {
		return list[0]
	}
	return nil
}

// subnetOf is the ID of the subnetwork that an instance is in.
func subnetOf(p props) string {
	where := ""
	if m := zoneName.FindStringSubmatch(provider.Str(p, "zone")); m != nil {
		where = m[1]
	}
	return expand(provider.Str(nic(p), "subnetwork"), provider.Str(p, "project"), "regions/"+where, "subnetworks")
}

func checkInstance(_ *provider.Call, in props) failures {
	f := append(checkCommon(in), checkTags(in, "tags")...)
	f = append(f, oneOf(in, "desiredStatus", "RUNNING")...)
	if t := provider.Str(in, "machineType"); provider.Known(in, "machineType") && !machineType.MatchString(t) {
		f = append(f, provider.Failure("machineType", "googleapi: Error 404: the resource 'machineTypes/%s' was not found, notFound", t))
	}
	disk := provider.Obj(in, "bootDisk")
	image := provider.Str(provider.Obj(disk, "initializeParams"), "image")
	switch {
	case provider.Known(in, "bootDisk") && image == "":
		f = append(f, provider.Failure("bootDisk.initializeParams.image", "the lab boots from images alone: set it to one of %s", strings.Join(families, ", ")))
	case image != "" && !slices.Contains(families, family(image)):
		f = append(f, provider.Failure("bootDisk.initializeParams.image", "error resolving image name '%s': could not find image or family: the lab has %s", image, strings.Join(families, ", ")))
	}
	for _, k := range slices.Sorted(maps.Keys(provider.StrMap(in, "metadata"))) {
		switch {
		case !metadataKey.MatchString(k):
			f = append(f, provider.Failure("metadata."+k, "invalid value for field 'metadata.items[].key': must match %s", metadataKey))
		case len(provider.StrMap(in, "metadata")[k]) > maxMetadata:
			f = append(f, provider.Failure("metadata."+k, "metadata values have at most %d bytes", maxMetadata))
		}
	}
	if provider.Known(in, "networkInterfaces") {
		f = append(f, checkInterfaces(provider.Objs(in, "networkInterfaces"))...)
	}
	return f
}

// family takes the forms of a family's name that the API takes.
func family(image string) string {
	image = strings.TrimPrefix(strip(image), "projects/")
	return strings.Replace(image, "/global/images/family/", "/", 1)
}

func checkInterfaces(list []props) (f failures) {
	if len(list) != 1 {
		return failures{provider.Failure("networkInterfaces", "the lab's VMs have one network interface each, found %d", len(list))}
	}
	if !provider.Set(list[0], "subnetwork") {
		f = append(f, provider.Failure("networkInterfaces[0].subnetwork", "invalid value for field 'resource.networkInterfaces[0].subnetwork': network interface must specify a subnet if the network resource is in custom subnet mode"))
	}
	configs := provider.Objs(list[0], "accessConfigs")
	if len(configs) > 1 {
		f = append(f, provider.Failure("networkInterfaces[0].accessConfigs", "at most one access config is supported, found %d", len(configs)))
	}
	for _, c := range configs {
		if text := provider.Str(c, "natIp"); provider.Known(c, "natIp") && text != "" {
			if _, err := netip.ParseAddr(text); err != nil {
				f = append(f, provider.Failure("networkInterfaces[0].accessConfigs[0].natIp", "invalid value for field 'natIP': '%s': must be an IPv4 address", text))
			}
		}
	}
	return f
}

func placeInstance(tx *cloud.Tx, in props) (string, props, error) {
	project, err := setting(tx.Config, in, "project")
	if err != nil {
		return "", nil, err
	}
	zone, err := setting(tx.Config, in, "zone")
	if err != nil {
		return "", nil, err
	}
	id := fmt.Sprintf("projects/%s/zones/%s/instances/%s", project, zone, provider.Str(in, "name"))
	if err := place(tx, typeInstance, id); err != nil {
		return "", nil, err
	}
	all := provider.Merge(in, labels(in), provider.From(map[string]any{
		"project": project, "zone": zone, "selfLink": api + id, "instanceId": fmt.Sprint(tx.NewNumber(4_000_000_000)),
		"cpuPlatform": "Intel Broadwell", "metadataFingerprint": cloud.RandomHex(12), "tagsFingerprint": cloud.RandomHex(12),
	}))
	home := tx.Get(typeSubnetwork, subnetOf(all))
	if home == nil {
		return "", nil, fmt.Errorf("googleapi: Error 400: invalid value for field 'resource.networkInterfaces[0].subnetwork': the referenced subnetwork resource '%s' cannot be found, invalid", subnetOf(all))
	}
	if r := provider.Str(home.Props, "region"); !strings.HasPrefix(zone, r+"-") {
		return "", nil, fmt.Errorf("googleapi: Error 400: invalid value for field 'resource.networkInterfaces[0].subnetwork': %s is in region %s, and the instance in zone %s, invalid", home.ID, r, zone)
	}
	const reserved = 2 // the network and the router; the last two as well (see "Unusable addresses" in the VPC documentation)
	private, err := tx.LeasePrivate(home.ID, prefix(home), reserved, provider.Str(nic(in), "networkIp"), id)
	if err != nil {
		return "", nil, fmt.Errorf("googleapi: Error 400: %w, invalid", err)
	}
	public, err := chooseNAT(tx, id, all)
	if err != nil {
		return "", nil, err
	}
	return id, provider.Merge(all, interfaces(in, home, private.String(), public)), nil
}
