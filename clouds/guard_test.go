package clouds

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hybrid/internal/mockcloud"
	"hybrid/internal/scripttest"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// guardOver makes a guard, and returns what it runs when it is deleted.
func guardOver(t *testing.T, kubeconfigs ...string) (script string, r *mockcloud.Record) {
	t.Helper()
	r, err := mockcloud.Run(false, nil, func(ctx *pulumi.Context) error {
		c, err := NewCluster(ctx, "london", args(DigitalOcean))
		if err != nil {
			return err
		}
		return NewGuard(ctx, "reachable", &GuardArgs{
			Kubeconfigs: pulumi.ToStringArray(kubeconfigs),
			About:       func(a API) (string, string) { return a.Context, "see to it's " + a.Context },
			Stack:       "organization/hybrid/test",
			Everything:  []pulumi.Resource{c.Provider},
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return text(r.Find(t, "reachable"), "stdin"), r
}

func TestGuardGoesFirst(t *testing.T) {
	t.Parallel()
	s := newStandIn(t)
	_, r := guardOver(t, s.kubeconfig(t, "london", s.URL, time.Now().Add(time.Hour)))
	guard := r.Find(t, "reachable")
	if !r.Needs("reachable", "london-kubernetes") {
		t.Error("london-kubernetes may be deleted although a cluster doesn't answer")
	}
	if text(guard, "create") != "true" || text(guard, "update") != "" || text(guard, "delete") != "sh -s" {
		t.Errorf("it runs %v", guard.Inputs)
	}
	for _, v := range guard.Inputs {
		for _, plain := range plainText(v) {
			if strings.Contains(plain, "PRIVATE KEY") {
				t.Error("a key is in plain text")
			}
		}
	}
}

func TestGuard(t *testing.T) {
	t.Parallel()
	s, other := newStandIn(t), newStandIn(t)
	valid, past := time.Now().Add(time.Hour), time.Now().Add(-time.Minute)
	token, err := NewKubeconfig("federation-cluster", s.URL, s.ca(), Credentials{Token: standInToken})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		frankfurt string
		want      []string
	}{
		"all answer":           {s.kubeconfig(t, "frankfurt", s.URL, valid), nil},
		"silence":              {s.kubeconfig(t, "frankfurt", "https://127.0.0.1:1", valid), []string{"127.0.0.1", "see to it's frankfurt"}},
		"an ended certificate": {s.kubeconfig(t, "frankfurt", s.URL, past), []string{"401", "see to it's frankfurt"}},
		"another server":       {s.kubeconfig(t, "frankfurt", other.URL, valid), []string{"certificate", "see to it's frankfurt"}},
	} {
		script, _ := guardOver(t, s.kubeconfig(t, "london", s.URL, valid), test.frankfurt, token)
		scripttest.Check(t, "guard.sh", script)
		folder := t.TempDir()
		cmd := exec.Command("sh", "-s")
		cmd.Env = append(os.Environ(), "TMPDIR="+folder)
		cmd.Stdin = strings.NewReader(strings.Replace(script, "PATIENCE='40'", "PATIENCE='1'", 1))
		out, err := cmd.CombinedOutput()
		if (err == nil) != (test.want == nil) || test.want == nil && len(out) > 0 {
			t.Errorf("%s: %v: %s", name, err, out)
		}
		for _, want := range test.want {
			if !strings.Contains(string(out), want) || strings.Contains(string(out), "london") || strings.Contains(string(out), "federation-cluster") {
				t.Errorf("%s: want %q, and nothing of those that answer:\n%s", name, want, out)
			}
		}
		if left, err := filepath.Glob(folder + "/*"); err != nil || len(left) > 0 {
			t.Errorf("%s: it has left %v", name, left)
		}
	}
}

// What its user has declared lost by then isn't asked.
func TestGuardOfLost(t *testing.T) {
	t.Parallel()
	s := newStandIn(t)
	valid := time.Now().Add(time.Hour)
	script, _ := guardOver(t, s.kubeconfig(t, "london", s.URL, valid), s.kubeconfig(t, "frankfurt", "https://127.0.0.1:1", valid))
	script = strings.Replace(script, "PATIENCE='40'", "PATIENCE='0'", 1)
	bin := t.TempDir()
	for lost, fails := range map[string]bool{"london": true, "frankfurt": false} {
		settings := `[{"cloud":"digitalocean","name":"london"},{"cloud":"aws","name":"frankfurt"}]`
		settings = strings.Replace(settings, `"name":"`+lost+`"`, `"lost":true,"name":"`+lost+`"`, 1)
		program := "#!/bin/sh\n[ \"$*\" = 'config get hybrid:clusters --stack organization/hybrid/test --config-file a b' ] && echo '" + settings + "'\n"
		if err := os.WriteFile(filepath.Join(bin, "pulumi"), []byte(program), 0o700); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("sh", "-s")
		cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "HYBRID_CONFIG_FILE=a b")
		cmd.Stdin = strings.NewReader(script)
		if out, err := cmd.CombinedOutput(); (err != nil) != fails {
			t.Errorf("%s is lost: %v: %s", lost, err, out)
		}
	}
}

func TestGuardNeedsCurl(t *testing.T) {
	t.Parallel()
	s := newStandIn(t)
	script, _ := guardOver(t, s.kubeconfig(t, "london", s.URL, time.Now().Add(time.Hour)))
	m := scripttest.New(t)
	cmd := exec.Command(filepath.Join(m.Dir, "bin", "sh"), "-s")
	cmd.Env, cmd.Stdin = []string{"PATH=" + filepath.Join(m.Dir, "bin")}, strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "curl is needed") {
		t.Errorf("%v: %s", err, out)
	}
}
