package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"gopkg.in/yaml.v3"
)

var update = flag.Bool("update", false, "write testdata anew")

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
		if c, ok := project.Config[strings.TrimPrefix(key, "hybrid:")]; ok && strings.HasPrefix(key, "hybrid:") && !workspace.ValidateConfigValue(*c.Type, c.Items, v) {
			t.Logf("%s: pulumi itself refuses %s", file, key)
		}
		out[key] = encode(t, v)
	}
	return out
}

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

func load(config map[string]string) (*Settings, error) {
	get := func(key string) string { return config[key] }
	var p problems
	s := decodeSettings(get, &p)
	s.validate(&p)
	checkProject(s, get, &p)
	checkSecrets(func(key string) bool { return strings.HasPrefix(config[key], "secret") }, get, &p)
	return s, p.err()
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
			t.Setenv(pulumi.EnvConfig, encode(t, config))
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
		t.Setenv(pulumi.EnvConfig, encode(t, config))
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
		if f := s.Federation; f.Replicas != 1 || f.CertificateHours != defaultCertificateHours || f.RenewHours != defaultRenewHours || f.GraceSeconds != defaultGraceSeconds || f.StorageClass != "" {
			t.Errorf("%s: federation %+v", file, f)
		}
		if want := (MeshSettings{Image: defaultMeshImage, MTU: defaultMTU, InitContainer: true}); s.Mesh != want {
			t.Errorf("%s: mesh %+v, want %+v", file, s.Mesh, want)
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

// Pulumi reads Pulumi.yaml before any program: it must know every key, and take
// the defaults.
func TestProjectFile(t *testing.T) {
	project, err := workspace.LoadProject("Pulumi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := project.Validate(); err != nil {
		t.Error(err)
	}
	want := []string{"adminCidrs", "clusters", "federation", "federationToken", "kubeadm", "kubernetesVersion", "mesh", "podCidr", "postgres", "postgresPassword", "registryMirror", "replicationPassword", "weavePassword", "zone"}
	if got := slices.Sorted(maps.Keys(project.Config)); !slices.Equal(got, want) {
		t.Errorf("keys %v, want %v", got, want)
	}
	for key, c := range project.Config {
		if c.Description == "" || c.Default == nil {
			t.Errorf("%s: want a description and a default", key)
		}
	}
}

// What a stack's hybrid:mesh leaves out is as Pulumi.yaml says, though the object
// replaces that as a whole.
func TestMeshDefaults(t *testing.T) {
	project, err := workspace.LoadProject("Pulumi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var p problems
	whole, empty, one := decodeMesh(encode(t, project.Config["mesh"].Default), &p), decodeMesh("{}", &p), decodeMesh(`{"fastdp": true}`, &p)
	if whole != empty || !one.FastDatapath || one.MTU != whole.MTU || p.err() != nil {
		t.Errorf("Pulumi.yaml %+v, empty %+v, one setting %+v, %v", whole, empty, one, p.err())
	}
}

func TestZoneDefaults(t *testing.T) {
	project, err := workspace.LoadProject("Pulumi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var p problems
	whole, empty, off := decodeZone(encode(t, project.Config["zone"].Default), &p), decodeZone("{}", &p), decodeZone(`{"enabled": false}`, &p)
	if whole != empty || off.Enabled || off.Domain != whole.Domain || p.err() != nil {
		t.Errorf("Pulumi.yaml %+v, empty %+v, switched off %+v, %v", whole, empty, off, p.err())
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

// As of hybrid:mesh, so of hybrid:federation.
func TestFederationDefaults(t *testing.T) {
	project, err := workspace.LoadProject("Pulumi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var p problems
	whole, empty, one := decodeFederation(encode(t, project.Config["federation"].Default), &p), decodeFederation("{}", &p), decodeFederation(`{"replicas": 2, "etcdArgs": ["--a=b"]}`, &p)
	whole.EtcdArgs = nil
	if fmt.Sprint(whole) != fmt.Sprint(empty) || one.Replicas != 2 || one.RenewHours != whole.RenewHours || fmt.Sprint(one.EtcdArgs) != "[--a=b]" || p.err() != nil {
		t.Errorf("Pulumi.yaml %+v, empty %+v, two settings %+v, %v", whole, empty, one, p.err())
	}
}

// The token is never quoted either.
func TestToken(t *testing.T) {
	withoutProject(t)
	for token, want := range map[string]string{
		"":                              "",
		"secret-and-long-enough":        "",
		"secret-short":                  "found 12 characters: expected at least 16",
		"secret,with,commas,in,it...":   "without spaces, commas and quotes",
		"secret\"with\"quotes\"in\"it":  "without spaces, commas and quotes",
		"secret\nwith\nlines\nin\nit..": "without spaces, commas and quotes",
		"in-the-clear-for-everybody":    "pulumi config set --secret federationToken",
	} {
		config := stackConfig(t, "Pulumi.dev.yaml")
		config[tokenKey] = token
		_, err := load(config)
		if text := fmt.Sprint(err); (err != nil) != (want != "") || !strings.Contains(text, want) || token != "" && strings.Contains(text, token) {
			t.Errorf("%q: found %v, want %q", token, err, want)
		}
	}
}

// The password is never quoted: not in errors either.
func TestPassword(t *testing.T) {
	withoutProject(t)
	for password, want := range map[string]string{
		"":                            "",
		"secret-and-long-enough":      "",
		"secret-short":                "found 12 characters: expected at least 16",
		"secret with spaces in it...": "printable ASCII without spaces",
		"in-the-clear-for-everybody":  "pulumi config set --secret weavePassword",
	} {
		config := stackConfig(t, "Pulumi.dev.yaml")
		config[passwordKey] = password
		_, err := load(config)
		if text := fmt.Sprint(err); (err != nil) != (want != "") || !strings.Contains(text, want) || password != "" && strings.Contains(text, password) {
			t.Errorf("%q: found %v, want %q", password, err, want)
		}
	}
}
