package clouds

import (
	"strings"
	"testing"
)

func TestKubeconfigs(t *testing.T) {
	t.Parallel()
	var files []string
	for _, name := range []string{"america", "london"} {
		f, err := AdminKubeconfig(name, adminConf, "192.0.2.1")
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	got, err := MergeKubeconfigs(files)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "kubeconfig.yaml", got)
}

func TestNewKubeconfig(t *testing.T) {
	t.Parallel()
	for name, user := range map[string]Credentials{"token": {Token: "sesame"}, "certificate": {Certificate: "cert", Key: "key"}} {
		got, err := NewKubeconfig("federation", "https://192.0.2.1:30443", "CA", user)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "kubeconfig-"+name+".yaml", got)
	}
}

func TestKubeconfigErrors(t *testing.T) {
	t.Parallel()
	one, err := AdminKubeconfig("london", adminConf, "192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	admin := func(conf string) error { _, err := AdminKubeconfig("london", conf, "192.0.2.1"); return err }
	create := func(ca string, user Credentials) error {
		_, err := NewKubeconfig("federation", "https://192.0.2.1:30443", ca, user)
		return err
	}
	merge := func(files ...string) error { _, err := MergeKubeconfigs(files); return err }
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"no CA":         {admin(strings.Replace(adminConf, "certificate-authority-data: Q0E=", "insecure-skip-tls-verify: true", 1)), "expected certificate-authority-data, found none"},
		"not YAML":      {admin("kind: [" + clientKey), "expected a kubeconfig"},
		"not a config":  {admin("kind: Secret"), "expected a kubeconfig"},
		"no authority":  {create("", Credentials{Token: clientKey}), "found too little"},
		"no key":        {create("CA", Credentials{Certificate: clientKey}), "found too little"},
		"no clusters":   {admin("kind: Config"), "expected one cluster and one user, found 0 and 0"},
		"nothing":       {merge(), "expected at least one, found none"},
		"the same name": {merge(one, one), `context "london" is there twice`},
		"broken":        {merge(one, "x"), "number 2: expected a kubeconfig"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) || strings.Contains(c.err.Error(), clientKey) {
			t.Errorf("%s: found %v, want %q and no secret", name, c.err, c.want)
		}
	}
}
