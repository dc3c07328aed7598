package clouds

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"sync"

	"hybrid/internal/settings"

	"go.yaml.in/yaml/v3"
)

//go:embed kubeadm-fields.yaml
var kubeadmFields []byte

// fields returns what may be in each of kubeadm's documents. A map stands for an
// object, a list of one item for lists of such items, a string for a plain value.
var fields = sync.OnceValue(func() (all map[string]any) {
	if err := yaml.Unmarshal(kubeadmFields, &all); err != nil {
		panic(err) // part of the program, see TestKubeadmFields
	}
	return all
})

// misfits says how a value of an override differs from what is at that place in
// kubeadm's documents. kubeadm itself would only warn of a field that it doesn't know,
// and finds a wrong kind when the machines are there.
func misfits(path string, value, field any) []string {
	switch field := field.(type) {
	case map[string]any:
		values, ok := value.(map[string]any)
		if !ok {
			return []string{fmt.Sprintf("%s: expected an object, found %s", path, found(value))}
		}
		return misfitsOf(path, values, field)
	case []any:
		values, ok := value.([]any)
		if !ok {
			return []string{fmt.Sprintf("%s: expected a list, found %s%s", path, found(value), asList(value, field[0]))}
		}
		var out []string
		for i, v := range values {
			out = append(out, misfits(fmt.Sprintf("%s, item %d", path, i+1), v, field[0])...)
		}
		return out
	}
	want := plainKinds[field.(string)]
	if want.is != nil && !want.is(value) {
		return []string{fmt.Sprintf("%s: expected %s, found %s", path, want.name, found(value))}
	}
	return nil
}

// misfitsOf is misfits for each value of an object.
func misfitsOf(path string, values, known map[string]any) []string {
	var out []string
	if known["name"] != nil && known["value"] != nil && values["name"] == nil {
		out = append(out, path+": name missing")
	}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		field, ok := known[key]
		if !ok {
			field, ok = known["*"]
		}
		if !ok {
			out = append(out, fmt.Sprintf("%s: %s", path, settings.Unknown(key, slices.Sorted(maps.Keys(known)))))
			continue
		}
		out = append(out, misfits(path+"."+key, values[key], field)...)
	}
	return out
}

// plainKinds are the values that are neither objects nor lists. Any has no rule.
var plainKinds = map[string]struct {
	name string
	is   func(any) bool
}{
	"string": {"a string, in quotes if it looks like something else", func(v any) bool { _, ok := v.(string); return ok }},
	"bool":   {"true or false, without quotes", func(v any) bool { _, ok := v.(bool); return ok }},
	"int":    {"a whole number, without quotes", isWhole},
	"number": {"a number, without quotes", func(v any) bool { _, ok := v.(float64); return ok || isWhole(v) }},
	"any":    {},
}

func isWhole(v any) bool {
	switch v.(type) {
	case int, int64:
		return true
	}
	return false
}

// found describes a value that isn't what was expected.
func found(v any) string {
	switch v := v.(type) {
	case map[string]any:
		return "an object"
	case []any:
		return "a list"
	case string:
		return fmt.Sprintf("%q", v)
	default:
		return fmt.Sprint(v)
	}
}

// asList shows how arguments are written since v1beta4, to those who write them as
// v1beta3 had them: {node-labels: a=b}.
func asList(value, item any) string {
	args, ok := value.(map[string]any)
	fields, named := item.(map[string]any)
	if !ok || !named || fields["value"] == nil || len(args) == 0 {
		return ""
	}
	key := slices.Min(slices.Collect(maps.Keys(args)))
	return fmt.Sprintf(" as of v1beta3: write [{name: %s, value: %q}] and so on", key, fmt.Sprint(args[key]))
}
