package stack

import (
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hybrid/lab/system/paths"
	"hybrid/lab/vm"
)

// The lab's addresses are asked directly, and others as the user has set.
func TestNoProxyLeadsToTheLab(t *testing.T) {
	for name, c := range map[string]struct {
		env   []string
		other string // by which proxy another address is asked
	}{
		"upper case":            {[]string{"HTTPS_PROXY=http://127.0.0.1:9"}, "http://127.0.0.1:9"},
		"lower case":            {[]string{"https_proxy=http://127.0.0.1:9"}, "http://127.0.0.1:9"},
		"plain HTTP":            {[]string{"HTTP_PROXY=http://127.0.0.1:8", "HTTPS_PROXY=http://127.0.0.1:9"}, "http://127.0.0.1:9"},
		"the user's exceptions": {[]string{"HTTPS_PROXY=http://127.0.0.1:9", "no_proxy=example.org, 192.0.2.0/24"}, "<nil>"},
		"both spellings":        {[]string{"HTTPS_PROXY=http://127.0.0.1:9", "NO_PROXY=example.org", "no_proxy=192.0.2.1"}, "http://127.0.0.1:9"},
		"all excepted":          {[]string{"HTTPS_PROXY=http://127.0.0.1:9", "NO_PROXY=*"}, "<nil>"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"} {
				t.Setenv(name, "")
			}
			for _, kv := range c.env {
				name, value, _ := strings.Cut(kv, "=")
				t.Setenv(name, value)
			}
			cache := programs(t)
			s := &Stack{Project: cache, Cache: cache, State: cache}
			for range 2 { // the second time in a shell that has the settings
				out, err := s.Output(t.Context(), "proxy", "https://"+vm.Internet.Addr().Next().String()+":6443/", "http://"+vm.Registry.String()+"/", "https://192.0.2.1/")
				if err != nil {
					t.Fatal(err)
				}
				if got, want := strings.Fields(string(out)), []string{"<nil>", "<nil>", c.other}; !slices.Equal(got, want) {
					t.Errorf("the proxies of the lab's two addresses and of another are %q, want %q", got, want)
				}
				for _, kv := range s.Settings() {
					t.Setenv(kv[0], kv[1])
				}
			}
			if v := os.Getenv("NO_PROXY"); strings.Count(v, vm.Internet.String()) > 1 {
				t.Errorf("NO_PROXY=%s", v)
			}
		})
	}
}

// What is exported for real clouds is the lab's in no way.
func TestNothingForRealClouds(t *testing.T) {
	s := &Stack{}
	for _, name := range s.Foreign() { // of who runs the test
		t.Setenv(name, "")
		os.Unsetenv(name)
	}
	for _, kv := range s.Settings() { // as in a shell that has the settings
		t.Setenv(kv[0], kv[1])
	}
	want := []string{
		"AWS_PROFILE", "CLOUDSDK_CORE_PROJECT", "DIGITALOCEAN_TOKEN", "GCLOUD_ZONE", "GOOGLE_ZONE", "PULUMI_ACCESS_TOKEN", "PULUMI_K8S_DELETE_UNREACHABLE", "SPACES_ENDPOINT_URL",
	}
	for _, name := range want {
		t.Setenv(name, "x")
	}
	if got := s.Foreign(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	settings := 0
	for _, kv := range s.Env() {
		name, _, _ := strings.Cut(kv, "=")
		if slices.Contains(want, name) {
			t.Errorf("Pulumi gets %s", kv)
		}
		if name == "PULUMI_HOME" {
			settings++
		}
	}
	if settings == 0 {
		t.Error("Pulumi doesn't get the lab's settings")
	}
}

// Pulumi's command plugin fails with an agent that is gone, though it needs none.
func TestNoAgent(t *testing.T) {
	t.Setenv("SSH_AUTH_SOCK", "/tmp/gone")
	s := &Stack{}
	for _, kv := range s.Env() {
		if strings.HasPrefix(kv, "SSH_AUTH_SOCK=") {
			t.Error(kv)
		}
	}
}

func TestBackendIsAURL(t *testing.T) {
	s := &Stack{State: "/tmp/John Smith/100%/#1?"}
	for _, kv := range s.Settings() {
		if kv[0] != "PULUMI_BACKEND_URL" {
			continue
		}
		u, err := url.Parse(kv[1])
		if err != nil || u.Scheme != "file" || u.Path != s.backend() || u.Query().Get("metadata") != "skip" {
			t.Errorf("%s: %v, %+v", kv[1], err, u)
		}
	}
}

// A relative path would be another one for every program that is started elsewhere.
func TestRelativeState(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("HYBRID_LAB_STATE", "my lab")
	if got, err := paths.State(); err != nil || got != filepath.Join(dir, "my lab") {
		t.Errorf("got %s, %v", got, err)
	}
}
