package provider

import (
	"reflect"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// drift returns the inputs that would make what is there now. Where nothing has
// changed they are the old inputs to the letter: what the vendor adds of its own
// is no drift, or else every refresh would end in replacements.
func (s *Schema) drift(oldInputs, oldOutputs, now Props) Props {
	in := Props{}
	inputs := s.Inputs()
	if len(oldInputs) == 0 { // an import: all that can be an input
		for k := range inputs {
			if v, ok := now[resource.PropertyKey(k)]; ok && !slices.Contains(s.Computed, k) {
				in[resource.PropertyKey(k)] = v
			}
		}
		return in
	}
	for k, asked := range oldInputs {
		if resource.IsInternalPropertyKey(k) {
			in[k] = asked
			continue
		}
		if v, ok := now[k]; ok && inputs[string(k)] != nil {
			v = s.project(string(k), inputs[string(k)], Plain(asked), v)
			if slices.Contains(s.Sets, string(k)) && sameSet(Plain(asked), v) {
				v = Plain(asked)
			}
			in[k] = v
		} else if _, ok := oldOutputs[k]; !ok {
			in[k] = asked // never an output: nothing tells of it
		}
	}
	for k := range inputs { // what was not asked for, and has been changed
		key := resource.PropertyKey(k)
		v, ok := now[key]
		if _, asked := oldInputs[key]; asked || !ok || slices.Contains(s.Computed, k) {
			continue
		}
		if before, ok := oldOutputs[key]; !ok || !Plain(before).DeepEquals(v) {
			in[key] = v
		}
	}
	return keepSecrets(in, oldInputs)
}

// project takes, of what is there now, the part that was asked for. The Go type
// tells objects, which the vendor may add properties to, from maps, where an
// added key comes from elsewhere.
func (s *Schema) project(path string, t reflect.Type, asked, now resource.PropertyValue) resource.PropertyValue {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case s.equal(path, asked, now):
		return asked
	case t.Kind() == reflect.Struct && asked.IsObject() && now.IsObject():
		known := fields(t)
		out := Props{}
		for k, v := range asked.ObjectValue() {
			if n, ok := now.ObjectValue()[k]; ok && known[string(k)] != nil {
				out[k] = s.project(join(path, string(k)), known[string(k)], v, n)
			}
		}
		return resource.NewObjectProperty(out)
	case t.Kind() == reflect.Slice && asked.IsArray() && now.IsArray():
		out := []resource.PropertyValue{}
		for i, n := range now.ArrayValue() {
			if i < len(asked.ArrayValue()) {
				n = s.project(index(path, i), t.Elem(), asked.ArrayValue()[i], n)
			}
			out = append(out, n)
		}
		return resource.NewArrayProperty(out)
	}
	return now
}
