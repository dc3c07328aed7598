package provider

import (
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
)

// defaulted lists, within a resource's inputs, those that the program left out
// and Check filled in. The vendors' providers use the same key.
const defaulted = "__defaults"

// Diff compares inputs. oldOutputs tell what the vendor chose for the inputs
// that the program had left to it.
func (s *Schema) Diff(oldInputs, oldOutputs, newInputs Props) plugin.DiffResult {
	before, after := PlainProps(oldInputs), PlainProps(newInputs)
	outputs := PlainProps(oldOutputs)
	for _, k := range s.Computed {
		key := resource.PropertyKey(k)
		_, was := before[key]
		wanted, is := after[key]
		switch {
		case was && !is:
			delete(before, key) // left to the vendor from now on: it stays as it is
		case !was && is && wanted.DeepEquals(outputs[key]):
			delete(after, key) // only says what the vendor has chosen anyway
		}
	}
	for k, v := range s.Defaults {
		key, value := resource.PropertyKey(k), resource.NewPropertyValue(v)
		if _, was := before[key]; !was && after[key].DeepEquals(value) {
			delete(after, key)
		}
		if _, is := after[key]; !is && before[key].DeepEquals(value) {
			delete(before, key)
		}
	}
	for _, k := range s.Sets {
		key := resource.PropertyKey(k)
		if sameSet(before[key], after[key]) {
			after[key] = before[key]
		}
	}
	for k, v := range after {
		after[k] = s.settle(string(k), before[k], v)
	}
	changes := before.Diff(after)
	if changes == nil {
		return plugin.DiffResult{Changes: plugin.DiffNone}
	}
	result := plugin.DiffResult{Changes: plugin.DiffSome, DetailedDiff: plugin.NewDetailedDiffFromObjectDiff(changes, true)}
	forceNew := s.ForceNew
	if s.Replaces != nil {
		forceNew = append(slices.Clone(forceNew), s.Replaces(before, after)...)
	}
	for path, change := range result.DetailedDiff {
		parsed, err := resource.ParsePropertyPath(path)
		if err != nil || len(parsed) == 0 {
			continue
		}
		top, _ := parsed[0].(string)
		result.ChangedKeys = appendOnce(result.ChangedKeys, top)
		if covers(forceNew, withoutIndices(path)) {
			result.DetailedDiff[path] = change.ToReplace()
			result.ReplaceKeys = appendOnce(result.ReplaceKeys, top)
		}
	}
	slices.Sort(result.ChangedKeys)
	slices.Sort(result.ReplaceKeys)
	result.DeleteBeforeReplace = len(result.ReplaceKeys) > 0 && s.nameTaken(oldInputs, newInputs)
	return result
}

// nameTaken says whether a replacement would have the name of what it replaces,
// which two objects can't have at once. Names that Check made up are no
// obstacle: the engine asks Check for another.
func (s *Schema) nameTaken(oldInputs, newInputs Props) bool {
	if s.Name == "" || slices.Contains(Strs(newInputs, defaulted), s.Name) {
		return false
	}
	key := resource.PropertyKey(s.Name)
	return Plain(oldInputs[key]).DeepEquals(Plain(newInputs[key]))
}

func appendOnce(keys []resource.PropertyKey, key string) []resource.PropertyKey {
	if slices.Contains(keys, resource.PropertyKey(key)) {
		return keys
	}
	return append(keys, resource.PropertyKey(key))
}

// sameSet says whether two lists have the same elements in any order.
func sameSet(a, b resource.PropertyValue) bool {
	if !a.IsArray() || !b.IsArray() || len(a.ArrayValue()) != len(b.ArrayValue()) {
		return false
	}
	rest := slices.Clone(b.ArrayValue())
	for _, v := range a.ArrayValue() {
		i := slices.IndexFunc(rest, v.DeepEquals)
		if i < 0 {
			return false
		}
		rest = slices.Delete(rest, i, i+1)
	}
	return true
}

// settle returns the value after a change, with all that means the same as
// before written as before.
func (s *Schema) settle(path string, before, after resource.PropertyValue) resource.PropertyValue {
	switch {
	case s.equal(path, before, after):
		return before
	case before.IsObject() && after.IsObject():
		out := Props{}
		for k, v := range after.ObjectValue() {
			out[k] = s.settle(join(path, string(k)), before.ObjectValue()[k], v)
		}
		return resource.NewObjectProperty(out)
	case before.IsArray() && after.IsArray():
		list := slices.Clone(after.ArrayValue())
		for i := range min(len(list), len(before.ArrayValue())) {
			list[i] = s.settle(index(path, i), before.ArrayValue()[i], list[i])
		}
		return resource.NewArrayProperty(list)
	}
	return after
}
