package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"hybrid/clouds"
	"hybrid/internal/settings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "rewrite testdata")

// stackConfig is the config that pulumi hands to the program: a stack file over
// the defaults of Pulumi.yaml.
func stackConfig(t *testing.T, file string) map[string]string {
	t.Helper()
	project, err := workspace.LoadProject("Pulumi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for key, c := range project.Config {
		out["hybrid:"+key] = encode(t, c.Default)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var stack struct{ Config map[string]any }
	if err := yaml.Unmarshal(text, &stack); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	for key, v := range stack.Config {
		if object, ok := v.(map[string]any); ok && object["secure"] != nil {
			v = longSecret
		}
		if c, ok := project.Config[strings.TrimPrefix(key, "hybrid:")]; ok && strings.HasPrefix(key, "hybrid:") && !workspace.ValidateConfigValue(*c.Type, c.Items, v) {
			t.Logf("%s: pulumi itself refuses %s", file, key)
		}
		out[key] = encode(t, v)
	}
	return out
}

// longSecret stands for what is encrypted.
const longSecret = "secret-and-long-enough-for-all-of-them"

// encode writes a config value as pulumi does: text as it is, the rest as JSON.
func encode(t *testing.T, v any) string {
	t.Helper()
	if s, ok := v.(string); ok {
		return s
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// load reads a config whose secret values begin with "secret".
func load(config map[string]string) (*Settings, error) {
	return stack{
		keys:     slices.Sorted(maps.Keys(config)),
		get:      func(key string) string { return config[key] },
		isSecret: func(key string) bool { return strings.HasPrefix(config[key], "secret") },
		secret:   func(key string) pulumi.StringInput { return pulumi.String(config[key]) },
	}.settings()
}

// withoutProject hides the project that this machine may be set up for.
func withoutProject(t *testing.T) {
	for _, name := range projectVariables {
		t.Setenv(name, "")
	}
}

// Each stack file in testdata/settings has the expected error beside it.
func TestSettingsErrors(t *testing.T) {
	withoutProject(t)
	files, err := filepath.Glob("testdata/settings/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no testdata: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			config := stackConfig(t, file)
			_, err := load(config)
			got := fmt.Sprintln(err)
			expected := strings.TrimSuffix(file, ".yaml") + ".txt"
			if *update {
				if err := os.WriteFile(expected, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(expected)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("found:\n%s\nwant:\n%s\n(if it is meant to be so: go test . -update)", got, want)
			}
		})
	}
}

func TestStacksAreValid(t *testing.T) {
	withoutProject(t)
	for _, file := range []string{"Pulumi.dev.yaml", "Pulumi.production.yaml.example"} {
		config := stackConfig(t, file)
		s, err := load(config)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		var names []string
		for _, c := range s.Clusters {
			names = append(names, c.Name+"/"+c.Cloud+"/"+c.Region)
		}
		if want := []string{"london/digitalocean/lon1", "frankfurt/aws/eu-central-1", "america/gce/us-west1"}; !slices.Equal(names, want) {
			t.Errorf("%s: clusters %v, want %v", file, names, want)
		}
		if s.KubernetesVersion != "v1.35.4" || s.PodCIDR.String() != "10.32.0.0/12" {
			t.Errorf("%s: version %s, pods %s", file, s.KubernetesVersion, s.PodCIDR)
		}
		if !s.Zone.Enabled || s.Zone.Existing != "" {
			t.Errorf("%s: zone %+v", file, s.Zone)
		}
	}
}

// Whole numbers must stay whole on their way to kubelet.
func TestKubeadmNumbers(t *testing.T) {
	withoutProject(t)
	s, err := load(stackConfig(t, "Pulumi.dev.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Kubeadm.KubeletConfiguration["imageGCHighThresholdPercent"]; got != int64(100) {
		t.Errorf("imageGCHighThresholdPercent is %v (%T), want the integer 100", got, got)
	}
}

// Pulumi reads Pulumi.yaml before any program: it must know every key, and have the
// defaults of the packages, all of them.
func TestProjectFile(t *testing.T) {
	project, err := workspace.LoadProject("Pulumi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := project.Validate(); err != nil {
		t.Error(err)
	}
	defaults := map[string]any{}
	s := defaultSettings()
	for _, part := range []any{s.Shared, s} {
		text, err := json.Marshal(part)
		if err == nil {
			err = json.Unmarshal(text, &defaults)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]string{}
	for _, key := range settings.Keys(s) {
		want[key] = encode(t, defaults[key])
	}
	for _, secret := range s.secrets() {
		want[strings.TrimPrefix(secret.key, "hybrid:")] = ""
	}
	// They are the seed's, see TestStacksAreValid; what an item leaves out is the package's.
	want["clusters"] = encode(t, project.Config["clusters"].Default)
	if got, want := slices.Sorted(maps.Keys(project.Config)), slices.Sorted(maps.Keys(want)); !slices.Equal(got, want) {
		t.Errorf("keys %v, want %v", got, want)
	}
	for key, c := range project.Config {
		if got := encode(t, c.Default); got != want[key] || c.Default == nil {
			t.Errorf("the default of %s is %s, the package's %s", key, got, want[key])
		}
		if c.Description == "" {
			t.Errorf("%s: want a description", key)
		}
	}
}

// Descriptions name every key of an object.
func TestDescriptions(t *testing.T) {
	project, err := workspace.LoadProject("Pulumi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s := defaultSettings()
	for key, of := range map[string]any{
		"clusters": clouds.Settings{}, "mesh": s.Mesh, "zone": s.Zone, "federation": s.Federation, "postgres": s.Postgres, "kubeadm": s.Kubeadm,
	} {
		for _, word := range settings.Keys(of) {
			if !regexp.MustCompile(`\b` + word + `\b`).MatchString(project.Config[key].Description) {
				t.Errorf("the description of %s doesn't say what %s is", key, word)
			}
		}
	}
}

// An object of a stack replaces Pulumi.yaml's as a whole: what it leaves out, or empty,
// is the package's default.
func TestObjectsAreFilledIn(t *testing.T) {
	withoutProject(t)
	for key, text := range map[string]string{
		"hybrid:mesh": `{"mtu": null, "fastdp": true}`, "hybrid:federation": `{"replicas": 2}`,
		"hybrid:zone": `{"domain": "example.org"}`, "hybrid:postgres": `{"master": "frankfurt"}`, "hybrid:kubeadm": "null",
	} {
		config := stackConfig(t, "Pulumi.dev.yaml")
		config[key] = text
		s, err := load(config)
		if err != nil {
			t.Errorf("%s: %v", key, err)
			continue
		}
		want := defaultSettings()
		switch key {
		case "hybrid:mesh":
			want.Mesh.FastDatapath = true
			if s.Mesh != want.Mesh {
				t.Errorf("%s: found %+v, want %+v", key, s.Mesh, want.Mesh)
			}
		case "hybrid:federation":
			want.Federation.Replicas = 2
			if fmt.Sprint(s.Federation) != fmt.Sprint(want.Federation) {
				t.Errorf("%s: found %+v, want %+v", key, s.Federation, want.Federation)
			}
		case "hybrid:zone":
			want.Zone.Domain = "example.org"
			if s.Zone != want.Zone {
				t.Errorf("%s: found %+v, want %+v", key, s.Zone, want.Zone)
			}
		case "hybrid:postgres":
			if s.Postgres.Image != want.Postgres.Image || !maps.Equal(s.Postgres.Parameters, want.Postgres.Parameters) || s.Postgres.Master != "frankfurt" {
				t.Errorf("%s: found %+v", key, s.Postgres)
			}
		}
	}
}

// The longest name of the DNS is the longest that is taken.
func TestLongestDomain(t *testing.T) {
	withoutProject(t)
	label := strings.Repeat("a", 61) + "."
	domain := strings.Repeat(label, 3)
	for n, ok := range map[int]bool{242: true, 243: false} { // and federation. before it
		config := stackConfig(t, "Pulumi.dev.yaml")
		config["hybrid:zone"] = encode(t, map[string]any{"domain": domain + strings.Repeat("b", n-len(domain)-3) + ".de"})
		if _, err := load(config); (err == nil) != ok {
			t.Errorf("%d characters: %v", n, err)
		}
	}
}

// Secrets are never quoted, never taken in the clear, and stay secrets.
func TestSecrets(t *testing.T) {
	withoutProject(t)
	for _, secret := range defaultSettings().secrets() {
		name := strings.TrimPrefix(secret.key, "hybrid:")
		for value, want := range map[string]string{
			"":                            "",
			longSecret:                    "",
			"secret-shrt":                 "found 11 characters: expected at least",
			"secret with spaces in it...": "printable ASCII without spaces",
			"in-the-clear-for-everybody":  "pulumi config set --secret " + name,
		} {
			config := stackConfig(t, "Pulumi.dev.yaml")
			config["hybrid:backup"] = "{}" // which needs one
			config[secret.key] = value
			_, err := load(config)
			if text := fmt.Sprint(err); (err != nil) != (want != "") || !strings.Contains(text, want) || value != "" && strings.Contains(text, value) {
				t.Errorf("%s %q: found %v, want %q", name, value, err, want)
			}
		}
	}
	// A token has more that it must not have.
	for _, value := range []string{"secret,with,commas,in,it...", "secret\"with\"quotes\"in\"it", "secret\nwith\nlines\nin\nit.."} {
		config := stackConfig(t, "Pulumi.dev.yaml")
		config["hybrid:federationToken"] = value
		if _, err := load(config); err == nil || !strings.Contains(err.Error(), "without spaces, commas and quotes") || strings.Contains(err.Error(), value) {
			t.Errorf("%q: found %v", value, err)
		}
	}
	config := stackConfig(t, "Pulumi.dev.yaml")
	for _, secret := range defaultSettings().secrets() {
		config[secret.key] = longSecret
	}
	s, err := load(config)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range s.secrets() {
		if *secret.into == nil {
			t.Errorf("%s is not taken", secret.key)
		}
	}
}

// A key that is like none is told which there are; its value is never shown, and if it
// looks like a secret it must not have been in the clear.
func TestUnknownKeys(t *testing.T) {
	withoutProject(t)
	for key, clear := range map[string]bool{"dbPasswd": true, "apiToken": true, "sshPrivateKey": true, "gcpCredentials": true, "colours": false} {
		for _, value := range []string{"swordfish-swordfish", "secret-swordfish"} {
			config := stackConfig(t, "Pulumi.dev.yaml")
			config["hybrid:"+key] = value
			_, err := load(config)
			text := fmt.Sprint(err)
			if !strings.Contains(text, fmt.Sprintf("hybrid:%s: unknown key %q: expected", key, key)) || strings.Contains(text, "swordfish") {
				t.Errorf("%s: found %v", key, err)
			}
			if in := strings.Contains(text, "in the clear: remove it by pulumi config rm hybrid:"+key); in != (clear && value == "swordfish-swordfish") {
				t.Errorf("%s, %s: in the clear: %v: %v", key, value, in, err)
			}
		}
	}
	config := stackConfig(t, "Pulumi.dev.yaml")
	config["others:token"], config["kubernetes:kubeconfig"] = "swordfish", "none"
	if _, err := load(config); err != nil {
		t.Errorf("others' settings: %v", err)
	}
}
