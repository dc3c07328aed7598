package gcp

import (
	"maps"
	"slices"
	"strings"

	"hybrid/lab/clouds/cloud"
	"hybrid/lab/plugins/provider"
	"hybrid/lab/vm"
)

// imageUser is the default user of Ubuntu's images.
const imageUser = "ubuntu"

// machine is the VM of an instance. It knows its private address alone.
func machine(s *cloud.State, o *cloud.Object) (vm.Machine, error) {
	metadata := provider.StrMap(o.Props, "metadata")
	keys := sshKeys(metadata)
	users := []any{"default"}
	for _, name := range slices.Sorted(maps.Keys(keys)) {
		if name != imageUser { // the guest agent makes the others
			users = append(users, cloud.SudoUser(name, keys[name]))
		}
	}
	return vm.Machine{
		ID: o.ID, Name: s.MachineName(o, o.Name()), Cloud: "gcp", NetworkID: subnetOf(o.Props), PrivateIP: networkIP(o),
		UserData:   metadata["user-data"],
		MetaData:   cloud.MetaData(provider.Str(o.Props, "instanceId"), o.Name(), keys[imageUser]),
		VendorData: cloud.CloudConfig(map[string]any{"disable_root": true, "ssh_pwauth": false, "users": users}),
	}, nil
}

// sshKeys returns the keys of each user: lines of "user:key" in the metadata
// item ssh-keys. With OS Login the guest ignores them.
func sshKeys(metadata map[string]string) map[string][]string {
	out := map[string][]string{}
	if strings.EqualFold(metadata["enable-oslogin"], "true") {
		return out
	}
	for line := range strings.Lines(metadata["ssh-keys"]) {
		if user, key, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			out[user] = append(out[user], cloud.Key(key))
		}
	}
	return out
}
