package digitalocean

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"

	"github.com/pulumi/pulumi-digitalocean/sdk/v4/go/digitalocean"

	"hybrid/lab/clouds/cloud"
	"hybrid/lab/plugins/provider"
	"hybrid/lab/vm"
)

const (
	dropletBase = 500_000_000 // where the IDs of droplets start, as they look in real accounts
	maxUserData = 64 * 1024   // the API's limit in bytes
)

var (
	dropletName = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9.-]{0,252}[a-zA-Z0-9])?$`)
	// sizeSlug takes s-2vcpu-4gb, g-2vcpu-8gb-intel and the like, sizeFamily c-4.
	sizeSlug   = regexp.MustCompile(`^(?:s|c|g|gd|m|m3|m6|so|so1_5)-([0-9]+)vcpu-([0-9]+)gb(?:-[a-z0-9]+)*$`)
	sizeFamily = regexp.MustCompile(`^(?:c|c2|g|gd|m|so)-([0-9]+)(?:-intel)?$`)
	imageID    = regexp.MustCompile(`^[0-9]+$`)
	// images are slugs of Ubuntu and Debian. Whatever is chosen boots the lab's own.
	images = []string{
		"ubuntu-22-04-x64", "ubuntu-24-04-x64", "ubuntu-24-10-x64", "ubuntu-25-04-x64", "debian-12-x64", "debian-13-x64",
	}
)

func droplet() *cloud.Type {
	return &cloud.Type{
		Schema: provider.Schema{
			Args: digitalocean.DropletArgs{}, Outputs: digitalocean.Droplet{}, Name: "name",
			Required: []string{"region", "vpcUuid"}, // the lab has no default VPC
			Supported: []string{
				"name", "sshKeys", "tags", "userData",
				// These make no difference to a container.
				"backups", "dropletAgent", "gracefulShutdown", "monitoring", "resizeDisk",
			},
			ForceNew: []string{"image", "monitoring", "region", "sshKeys", "userData", "vpcUuid", "dropletAgent"},
			Computed: []string{"ipv6Address", "privateNetworking", "volumeIds"},
			Defaults: map[string]any{
				"backups": false, "gracefulShutdown": false, "ipv6": false, "monitoring": false, "resizeDisk": true,
			},
			Sets: []string{"sshKeys", "tags"},
		},
		Check: checkDroplet,
		Refs: func(p props) []cloud.Ref {
			return []cloud.Ref{{Property: "vpcUuid", Type: typeVpc, ID: provider.Str(p, "vpcUuid")}}
		},
		Place:   placeDroplet,
		Change:  changeDroplet,
		Machine: machine,
		View:    seenAddresses,
		Running: func(running bool) props {
			status := "off"
			if running {
				status = "active"
			}
			return provider.From(map[string]any{"status": status})
		},
		Stops: func(before, after props) bool { return provider.Str(before, "size") != provider.Str(after, "size") },
		// A reserved address is free again; a firewall forgets the droplet.
		Leave: func(tx *cloud.Tx, o *cloud.Object) error {
			for _, a := range tx.All(typeAssignment) {
				if dropletOf(a.Props, "dropletId") == o.ID {
					delete(tx.Objects, a.ID)
				}
			}
			for _, f := range tx.All(typeFirewall) {
				var rest []any
				for _, n := range provider.Ints(f.Props, "dropletIds") {
					if strconv.Itoa(n) != o.ID {
						rest = append(rest, n)
					}
				}
				f.Props = provider.Merge(f.Props, provider.From(map[string]any{"dropletIds": rest}))
			}
			return nil
		},
	}
}

// changeDroplet gives a droplet another size, perhaps. Its disk may grow, and never
// shrinks: see "How to resize Droplets" in the vendor's documentation.
func changeDroplet(tx *cloud.Tx, o *cloud.Object, all props) (props, error) {
	made := hardware(provider.Str(all, "size"))
	now, wanted := provider.Int(o.Props, "disk", 0), provider.Int(made, "disk", 0)
	switch {
	case wanted < now:
		return nil, apiError(422, "this size is not available because it has a smaller disk: %d GB, and the droplet has %d", wanted, now)
	case !provider.Bool(all, "resizeDisk", true):
		made["disk"] = o.Props["disk"]
	}
	makeTags(tx, all)
	return provider.Merge(all, made), nil
}

// dropletOf is the ID of the droplet that a number stands for, or "".
func dropletOf(p props, key string) string {
	if n := provider.Int(p, key, 0); n != 0 {
		return strconv.Itoa(n)
	}
	return ""
}

func checkDroplet(_ *provider.Call, in props) failures {
	f := slices.Concat(checkRegion(in), checkTagNames(in, "tags"), checkQuirks())
	if n := provider.Str(in, "name"); provider.Known(in, "name") && !dropletName.MatchString(n) {
		f = append(f, provider.Failure("name", "422 name %q: only valid hostname characters are allowed. (a-z, A-Z, 0-9, . and -)", n))
	}
	if i := provider.Str(in, "image"); provider.Known(in, "image") && !slices.Contains(images, i) && !imageID.MatchString(i) {
		f = append(f, provider.Failure("image", "422 you specified an invalid image %q for Droplet creation: the lab has %v", i, images))
	}
	if s := provider.Str(in, "size"); provider.Known(in, "size") && !sizeSlug.MatchString(s) && !sizeFamily.MatchString(s) {
		f = append(f, provider.Failure("size", "422 you specified an invalid size %q for Droplet creation: a slug such as s-2vcpu-4gb", s))
	}
	if n := len(provider.Str(in, "userData")); n > maxUserData {
		f = append(f, provider.Failure("userData", "422 user data is limited to %d bytes, found %d", maxUserData, n))
	}
	return f
}

// hardware returns the outputs that follow from a size, whose prices are about
// those of the vendor.
func hardware(size string) props {
	cpus, memory := 1, 1
	if m := sizeSlug.FindStringSubmatch(size); m != nil {
		cpus, _ = strconv.Atoi(m[1])
		memory, _ = strconv.Atoi(m[2])
	} else if m := sizeFamily.FindStringSubmatch(size); m != nil {
		cpus, _ = strconv.Atoi(m[1])
		memory = 2 * cpus
	}
	return provider.From(map[string]any{
		"vcpus": cpus, "memory": memory * 1024, "disk": max(10, memory*20), "priceMonthly": memory * 6, "priceHourly": float64(memory) * 0.00893,
	})
}

func placeDroplet(tx *cloud.Tx, in props) (string, props, error) {
	home := tx.Get(typeVpc, provider.Str(in, "vpcUuid"))
	if r := provider.Str(home.Props, "region"); r != provider.Str(in, "region") {
		return "", nil, apiError(422, "the VPC %s is in region %s, not %s", home.ID, r, provider.Str(in, "region"))
	}
	for _, k := range provider.Strs(in, "sshKeys") {
		if findKey(tx.State, k) == nil {
			return "", nil, apiError(422, "%s are invalid key identifiers for Droplet creation", k)
		}
	}
	id := strconv.Itoa(tx.NewNumber(dropletBase))
	const reserved = 2 // the network and the router
	private, err := tx.LeasePrivate(home.ID, prefix(home), reserved, "", id)
	if err != nil {
		return "", nil, apiError(422, "%w", err)
	}
	if err := leaseAnchor(tx, provider.Str(in, "region"), prefix(home), id); err != nil {
		return "", nil, err
	}
	public, err := tx.LeasePublic(dropletPool, id)
	if err != nil {
		return "", nil, apiError(422, "%w", err)
	}
	makeTags(tx, in)
	return id, provider.Merge(in, hardware(provider.Str(in, "size")), provider.From(map[string]any{
		"ipv4Address": public.String(), "ipv4AddressPrivate": private.String(), "ipv6Address": "", "dropletUrn": urn("droplet", id),
		"createdAt": createdAt, "locked": false, "privateNetworking": true, "volumeIds": []any{},
	})), nil
}

// findKey returns the SSH key that has an ID or a fingerprint, or nil.
func findKey(s *cloud.State, key string) *cloud.Object {
	if o := s.Get(typeSSHKey, key); o != nil {
		return o
	}
	return s.Find(typeSSHKey, "fingerprint", key)
}

// machine is the VM of a droplet: it has its public address on its own NIC, and
// root may log in.
func machine(s *cloud.State, o *cloud.Object) (vm.Machine, error) {
	var keys []string
	for _, k := range provider.Strs(o.Props, "sshKeys") {
		key := findKey(s, k)
		if key == nil {
			return vm.Machine{}, fmt.Errorf("SSH key %s was deleted in the meantime", k)
		}
		keys = append(keys, cloud.Key(provider.Str(key.Props, "publicKey")))
	}
	return vm.Machine{
		ID: o.ID, Name: s.MachineName(o, o.Name()), Cloud: "digitalocean", NetworkID: provider.Str(o.Props, "vpcUuid"), Stock: quirk(StockImage),
		PrivateIP: address(o, "ipv4AddressPrivate"), PublicIP: address(o, "ipv4Address"), Anchor: anchor(s, o),
		UserData: provider.Str(o.Props, "userData"), MetaData: cloud.MetaData(o.ID, o.Name(), keys),
		VendorData: cloud.CloudConfig(map[string]any{"disable_root": false, "ssh_pwauth": false, "users": []any{}}),
	}, nil
}

func address(o *cloud.Object, key string) netip.Addr {
	a, _ := netip.ParseAddr(provider.Str(o.Props, key))
	return a
}
