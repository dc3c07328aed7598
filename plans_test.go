package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"hybrid/clouds"
	"hybrid/internal/mockcloud"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// The lab's plugins are held against a table of what the vendors' own plan: it has
// all types and properties that the program sets, and no others.
func TestEveryPropertyHasAPlan(t *testing.T) {
	text, err := os.ReadFile("lab/plugins/official/testdata/plans.tsv")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]bool{} // whether the program sets it
	for line := range strings.Lines(string(text)) {
		if columns := strings.Split(line, "\t"); len(columns) == 4 {
			property, _, _ := strings.Cut(columns[1], "=")
			rows[columns[0]+"\t"+property] = false
		}
	}
	config := stackConfig(t, "Pulumi.dev.yaml")
	for _, s := range clouds.ProviderSettings {
		vendor, key, _ := strings.Cut(s.Key, ":")
		if !s.Secret {
			config[s.Key] = "x"
		} else if !set(rows, "pulumi:providers:"+vendor+"\t"+key) { // which mocks can't have
			t.Errorf("no row for %s", s.Key)
		}
	}
	var made []pulumi.MockResourceArgs
	// The bucket for backups is in each of the clouds once, and never in that of the data.
	for _, where := range [][2]string{{"frankfurt", "london"}, {"america", "london"}, {"london", "frankfurt"}} {
		config["hybrid:backup"] = fmt.Sprintf(`{"enabled": true, "cluster": %q}`, where[0])
		config["hybrid:postgres"] = fmt.Sprintf(`{"master": %q}`, where[1])
		all, err := run(false, config, nil)
		if err != nil {
			t.Fatal(err)
		}
		made = slices.AppendSeq(made, maps.Values(all))
	}
	missing := map[string]bool{}
	for _, a := range made {
		if strings.HasPrefix(a.TypeToken, "hybrid:") || strings.Contains(a.TypeToken, "kubernetes") {
			continue // without a plugin; the lab has the vendor's own
		}
		eachLeaf("", resource.NewProperty(a.Inputs), func(path string) {
			if row := a.TypeToken + "\t" + path; !set(rows, row) {
				missing[row] = true
			}
		})
	}
	for _, row := range slices.Sorted(maps.Keys(missing)) {
		t.Errorf("no row %q: what does the vendor's plugin plan when it changes?", row)
	}
	for _, row := range slices.Sorted(maps.Keys(rows)) {
		if !rows[row] {
			t.Errorf("row %q: the program doesn't set it", row)
		}
	}
}

// set notes that a property is set, or one that holds it, as a map does.
func set(rows map[string]bool, row string) bool {
	for ; strings.Contains(row, "\t"); row = row[:max(0, strings.LastIndex(row, "."))] {
		if _, ok := rows[row]; ok {
			rows[row] = true
			return true
		}
	}
	return false
}

// eachLeaf calls a function with the path, such as rules[].ports[], of each value that
// holds no others.
func eachLeaf(path string, v resource.PropertyValue, see func(path string)) {
	v = mockcloud.Open(v)
	switch {
	case v.IsObject():
		for k, e := range v.ObjectValue() {
			eachLeaf(strings.TrimPrefix(path+"."+string(k), "."), e, see)
		}
	case v.IsArray():
		for _, e := range v.ArrayValue() {
			eachLeaf(path+"[]", e, see)
		}
	default:
		see(path)
	}
}
