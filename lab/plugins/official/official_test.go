package official

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"hybrid/lab/clouds/aws"
	"hybrid/lab/clouds/digitalocean"
	"hybrid/lab/clouds/gcp"
	"hybrid/lab/plugins/command"
	"hybrid/lab/plugins/provider"
	"hybrid/lab/plugins/random"
	"hybrid/lab/plugins/tls"
)

// row is a fact of the table.
type row struct {
	token, property, plan string
	// before and after are values of the property.
	before, after string
}

// table reads the facts, and the version of each plugin that they are of.
func table(t *testing.T) (rows []row, versions map[string]string) {
	t.Helper()
	text, err := os.ReadFile("testdata/plans.tsv")
	if err != nil {
		t.Fatal(err)
	}
	versions = map[string]string{}
	for line := range strings.Lines(string(text)) {
		columns := strings.Split(strings.TrimSpace(line), "\t")
		switch {
		case strings.HasPrefix(line, "#"):
		case columns[0] == "plugin" && len(columns) == 3:
			versions[columns[1]] = columns[2]
		case len(columns) == 4 && (columns[2] == "replace" || columns[2] == "update"):
			property, values, given := strings.Cut(columns[1], "=")
			if !given {
				values = "one>other"
			}
			r := row{token: columns[0], property: property, plan: columns[2]}
			r.before, r.after, _ = strings.Cut(values, ">")
			rows = append(rows, r)
		default:
			t.Fatalf("plans.tsv: expected type, property, replace or update, source; found %q", line)
		}
	}
	return rows, versions
}

func packages() []*provider.Package {
	return []*provider.Package{
		aws.Package(aws.New()), gcp.Package(gcp.New()), digitalocean.Package(digitalocean.New()),
		command.Package(), random.Package(), tls.Package(),
	}
}

// inputs have a value at a path such as rules[].ports[].
func inputs(path, value string) resource.PropertyMap {
	v := resource.NewProperty(value)
	keys := strings.Split(path, ".")
	for i := len(keys) - 1; i >= 0; i-- {
		key, list := strings.CutSuffix(keys[i], "[]")
		if list {
			v = resource.NewProperty([]resource.PropertyValue{v})
		}
		v = resource.NewProperty(resource.PropertyMap{resource.PropertyKey(key): v})
	}
	return v.ObjectValue()
}

// plan is what the lab's plugin plans for a row's change.
func (r row) planned(t *testing.T) string {
	t.Helper()
	var d plugin.DiffResult
	err := fmt.Errorf("%s: no plugin of the lab has this type", r.token)
	before, after := inputs(r.property, r.before), inputs(r.property, r.after)
	for _, p := range packages() {
		if r.token == "pulumi:providers:"+p.Name {
			d, err = provider.New(p, provider.Logger{}).DiffConfig(t.Context(), plugin.DiffConfigRequest{OldInputs: before, NewInputs: after})
		} else if known, ok := p.Resources[r.token]; ok {
			d, err = known.Diff(before, nil, after), nil
		}
	}
	switch {
	case err != nil:
		t.Fatal(err)
	case len(d.ReplaceKeys) > 0:
		return "replace"
	case d.Changes == plugin.DiffSome:
		return "update"
	}
	return "nothing"
}

// The lab's plugins plan what the vendors' do.
func TestPlans(t *testing.T) {
	rows, _ := table(t)
	for _, r := range rows {
		if got := r.planned(t); got != r.plan {
			t.Errorf("%s: %s changes: the lab plans %s, the vendor's plugin %s", r.token, r.property, got, r.plan)
		}
	}
}

// The facts are of the versions that go.mod has: with another one, look again.
func TestVersions(t *testing.T) {
	text, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	_, versions := table(t)
	for _, p := range packages() {
		m := regexp.MustCompile(`(?m)^\s+` + regexp.QuoteMeta(p.Module) + ` v(\S+)`).FindStringSubmatch(string(text))
		if m == nil || m[1] != versions[p.Name] {
			t.Errorf("%s: go.mod has %q, the facts are of %q: read the vendor's sources again, then change the version in plans.tsv", p.Name, m, versions[p.Name])
		}
	}
}
