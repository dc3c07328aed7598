package provider

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
)

// Validate holds a resource's inputs against its schema and returns all that is
// wrong with them, sorted by property.
func (s *Schema) Validate(in Props) Failures {
	f := validateObject(plainType(s.Args), in, "")
	for _, k := range s.Required {
		if !Set(in, k) {
			f = append(f, Failure(k, "missing required property %q", k))
		}
	}
	f = append(f, s.unsupported("", resource.NewObjectProperty(in))...)
	for _, group := range s.ExactlyOne {
		if n := countSet(in, group); n != 1 {
			f = append(f, Failure(group[0], "exactly one of %s must be configured, found %d", strings.Join(group, ", "), n))
		}
	}
	for _, group := range s.AtMostOne {
		if n := countSet(in, group); n > 1 {
			f = append(f, Failure(group[0], "conflicts with %s: only one of them can be set", strings.Join(group[1:], ", ")))
		}
	}
	slices.SortStableFunc(f, func(a, b plugin.CheckFailure) int { return strings.Compare(string(a.Property), string(b.Property)) })
	return f
}

func countSet(in Props, keys []string) (n int) {
	for _, k := range keys {
		if Set(in, k) {
			n++
		}
	}
	return n
}

// unsupported lists what the vendor has and the lab does not.
func (s *Schema) unsupported(path string, v resource.PropertyValue) (f Failures) {
	v = Plain(v)
	if path != "" && !v.IsNull() {
		bare := withoutIndices(path)
		_, input := s.Inputs()[bare]
		if input && !s.Settable(bare) || slices.Contains(s.Unsupported, bare) {
			return Failures{Failure(path, "the lab doesn't simulate this property: leave it out on the lab's stack")}
		}
	}
	switch {
	case v.IsObject():
		for k, e := range v.ObjectValue() {
			f = append(f, s.unsupported(join(path, string(k)), e)...)
		}
	case v.IsArray():
		for i, e := range v.ArrayValue() {
			f = append(f, s.unsupported(index(path, i), e)...)
		}
	}
	return f
}

// required says whether an input's Go type makes it required.
func required(t reflect.Type) bool {
	// Only a pointer says that a property is optional: lists and maps may be either.
	return !slices.Contains([]reflect.Kind{reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface}, t.Kind())
}

func validateObject(t reflect.Type, o Props, path string) (f Failures) {
	known := fields(t)
	for k, v := range o {
		if resource.IsInternalPropertyKey(k) {
			continue
		}
		ft, ok := known[string(k)]
		if !ok {
			f = append(f, Failure(join(path, string(k)), "no such property; there are %s", strings.Join(slices.Sorted(maps.Keys(known)), ", ")))
			continue
		}
		f = append(f, validateValue(ft, v, join(path, string(k)))...)
	}
	for k, ft := range known {
		if v, ok := o[resource.PropertyKey(k)]; required(ft) && (!ok || v.IsNull()) {
			f = append(f, Failure(join(path, k), "missing required property %q", k))
		}
	}
	return f
}

// validateValue holds a value against a Go type of the SDK.
func validateValue(t reflect.Type, v resource.PropertyValue, path string) (f Failures) {
	v = Plain(v)
	if v.IsComputed() {
		return nil
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
		if v.IsNull() {
			return nil
		}
	}
	mismatch := func(want string) Failures {
		return Failures{Failure(path, "expected %s, found %s", want, v.TypeString())}
	}
	switch t.Kind() {
	case reflect.String:
		if !v.IsString() {
			return mismatch("a string")
		}
	case reflect.Bool:
		if !v.IsBool() {
			return mismatch("a boolean")
		}
	case reflect.Int, reflect.Float64:
		if !v.IsNumber() {
			return mismatch("a number")
		}
		if n := v.NumberValue(); t.Kind() == reflect.Int && n != float64(int64(n)) {
			return Failures{Failure(path, "expected a whole number, found %v", n)}
		}
	case reflect.Slice:
		if v.IsNull() {
			return nil
		}
		if !v.IsArray() {
			return mismatch("a list")
		}
		for i, e := range v.ArrayValue() {
			f = append(f, validateValue(t.Elem(), e, index(path, i))...)
		}
	case reflect.Map:
		if v.IsNull() {
			return nil
		}
		if !v.IsObject() {
			return mismatch("a map")
		}
		for k, e := range v.ObjectValue() {
			f = append(f, validateValue(t.Elem(), e, join(path, string(k)))...)
		}
	case reflect.Struct:
		if !v.IsObject() {
			return mismatch("an object")
		}
		return validateObject(t, v.ObjectValue(), path)
	}
	return f
}
