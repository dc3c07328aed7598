package clouds

import (
	"os"
	"slices"
	"strings"
	"testing"

	"hybrid/internal/mockcloud"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"go.yaml.in/yaml/v3"
)

// firstBoot is what cloud-init does with the user-data.
func firstBoot(t *testing.T) (files map[string]string, commands [][]string) {
	t.Helper()
	var config struct {
		WriteFiles []struct{ Path, Content string } `yaml:"write_files"`
		RunCmd     [][]string                       `yaml:"runcmd"`
	}
	if err := yaml.Unmarshal([]byte(userData), &config); err != nil {
		t.Fatal(err)
	}
	files = map[string]string{}
	for _, f := range config.WriteFiles {
		files[f.Path] = f.Content
	}
	return files, config.RunCmd
}

// The host key that is pinned is the one that sshd offers, and stays.
func TestHostKey(t *testing.T) {
	t.Parallel()
	files, _ := firstBoot(t)
	for path, want := range map[string]string{
		"/etc/ssh/sshd_config.d/10-host-key.conf": "HostKey /etc/ssh/ssh_host_ed25519_key\n",
		"/etc/default/instance_configs.cfg":       "[InstanceSetup]\nset_host_keys = false\n",
	} {
		if got := files[path]; got != want {
			t.Errorf("%s: found %q, want %q", path, got, want)
		}
	}
}

// The mesh's packets find room, at every boot.
func TestSocketBuffer(t *testing.T) {
	t.Parallel()
	files, _ := firstBoot(t)
	const path, want = "/etc/sysctl.d/90-kubernetes.conf", "\nnet.core.rmem_default = 4194304\n"
	if !strings.Contains(files[path], want) {
		t.Errorf("%s: found %q, want %q in it", path, files[path], want)
	}
}

// Keys of ec2-instance-connect open nothing, where there is such a thing.
func TestInstanceConnectIsOff(t *testing.T) {
	t.Parallel()
	_, commands := firstBoot(t)
	i := slices.IndexFunc(commands, func(c []string) bool { return strings.Contains(strings.Join(c, " "), "ec2-instance-connect") })
	if i < 0 {
		t.Fatal("found no command about ec2-instance-connect")
	}
	script := commands[i][2]
	for there, want := range map[bool][]string{true: {"systemctl daemon-reload", "systemctl try-restart ssh"}, false: nil} {
		m := newMachine(t)
		if there {
			m.File("usr/lib/systemd/system/ssh.service.d/ec2-instance-connect.conf", "[Service]\n")
		}
		// With the library, for that finds no program but the machine's.
		_, stderr, calls, err := m.Run(Compose(script, nil), "runcmd", "")
		if err != nil {
			t.Errorf("%v: %s", err, stderr)
		}
		called(t, calls, want...)
		link, _ := os.Readlink(m.Dir + "/etc/systemd/system/ssh.service.d/ec2-instance-connect.conf")
		if (link == "/dev/null") != there {
			t.Errorf("with the vendor's drop-in: %v, found ours leading to %q", there, link)
		}
	}
}

// Amazon's agent is off, as a snap and as a package.
func TestSystemsManagerIsOff(t *testing.T) {
	t.Parallel()
	_, commands := firstBoot(t)
	i := slices.IndexFunc(commands, func(c []string) bool { return strings.Contains(strings.Join(c, " "), "amazon-ssm-agent") })
	// A command that fails shows only where it is the last one.
	if i < 0 || i != len(commands)-1 {
		t.Fatalf("found it as command %d of %d, want it last", i+1, len(commands))
	}
	for there, want := range map[string][]string{
		"snap/amazon-ssm-agent/current":                   {"timeout 300 snap stop --disable amazon-ssm-agent"},
		"usr/lib/systemd/system/amazon-ssm-agent.service": {"systemctl mask --now amazon-ssm-agent.service"},
		"none": nil,
	} {
		m := newMachine(t)
		m.Program("snap", "")
		m.Program("timeout", "")
		m.File(there, "")
		script := commands[i][2]
		_, stderr, calls, err := m.Run(Compose(script, nil), "runcmd", "")
		if err != nil {
			t.Errorf("%s: %v: %s", there, err, stderr)
		}
		called(t, calls, want...)
		m.Program("timeout", "exit 1")
		m.Program("systemctl", "exit 1")
		if _, _, _, err = m.Run(Compose(script, nil), "runcmd", ""); (err == nil) != (want == nil) {
			t.Errorf("%s, which can't be switched off: found %v", there, err)
		}
	}
}

// at is what is at a path of a resource's inputs, or nil.
func at(a pulumi.MockResourceArgs, path string) any {
	parsed, err := resource.ParsePropertyPath(path)
	if err != nil {
		return err
	}
	v, ok := parsed.Get(resource.NewProperty(a.Inputs))
	if !ok {
		return nil
	}
	return v.V
}

// What docs/security.md and comments promise of machines and providers.
func TestPromises(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cloud, name, path string
		want              any
	}{
		{DigitalOcean, "london-2", "dropletAgent", false},
		{AWS, "london-2", "metadataOptions.httpTokens", "required"},
		{AWS, "london-2", "metadataOptions.httpPutResponseHopLimit", 1.0},
		{AWS, "london-2", "rootBlockDevice.encrypted", true},
		{AWS, "london-2", "iamInstanceProfile", nil},
		{GCE, "london-2", `metadata["enable-oslogin"]`, "FALSE"},
		{GCE, "london-2", `metadata["block-project-ssh-keys"]`, "TRUE"},
		{GCE, "london-2", "serviceAccount", nil},
		{AWS, "london-kubernetes", "enableSecretMutable", true},
		{AWS, "london-kubernetes", "enableConfigMapMutable", true},
	} {
		if got := at(build(t, "london", args(c.cloud), false, nil).Find(t, c.name), c.path); got != c.want {
			t.Errorf("%s, %s: %s is %v, want %v", c.cloud, c.name, c.path, got, c.want)
		}
	}
}

// Each setting that is said to be passed on is, and no other.
func TestProviderSettings(t *testing.T) {
	t.Parallel()
	config := map[string]string{}
	want := map[string][]string{}
	for _, s := range ProviderSettings {
		namespace, key, _ := strings.Cut(s.Key, ":")
		config[s.Key] = s.Key
		want[namespace] = append(want[namespace], key)
	}
	eachCloud(t, func(t *testing.T, cloud string) {
		r, err := mockcloud.Run(false, config, func(ctx *pulumi.Context) error {
			_, err := NewCluster(ctx, "london", args(cloud))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		provider := r.Find(t, "london-"+cloud)
		namespace := strings.TrimPrefix(provider.TypeToken, "pulumi:providers:")
		var got []string
		for key := range provider.Inputs {
			if text(provider, string(key)) == namespace+":"+string(key) {
				got = append(got, string(key))
			}
		}
		if !slices.Equal(sorted(got), sorted(want[namespace])) {
			t.Errorf("found %v, want %v", got, want[namespace])
		}
	})
}

// Certificates are renewed behind Pulumi's back: then admin.conf must be read again,
// and nothing else may happen for that.
func TestAdminConfCanBeReadAnew(t *testing.T) {
	t.Parallel()
	r := build(t, "london", args(AWS), false, nil)
	conf := r.Find(t, "london-1-admin-conf")
	if conf.Inputs.HasValue("delete") {
		t.Error("london-1-admin-conf has something to do on deletion")
	}
	for name, a := range r.Made {
		for property, dependencies := range a.RegisterRPC.GetPropertyDependencies() {
			if property == "kubeconfig" {
				continue // which replaces no provider, for its cluster has an identifier
			}
			for _, urn := range dependencies.GetUrns() {
				if strings.HasSuffix(urn, "::london-1-admin-conf") {
					t.Errorf("%s: %s comes from london-1-admin-conf", name, property)
				}
			}
		}
	}
}
