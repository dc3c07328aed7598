package provider

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// Schema says what a resource type accepts and what it gives. Names and types
// of the properties come from the vendor's SDK; the lists hold what Go types
// can't tell. Paths have no indices: "rules.portRange" is that of every rule.
type Schema struct {
	Args    any // the SDK's ...Args
	Outputs any // the SDK's resource

	// Name is the property that is named after the resource, with a random
	// suffix, where the program doesn't set it.
	Name string
	// Required are the properties that must be set although their Go type is
	// a list, a map or a pointer.
	Required []string
	// Supported are all properties that may be set beside the required ones,
	// because they have an effect here or need none. The vendor's others are
	// refused: they would be ignored in silence. Nil: all are supported.
	Supported []string
	// Unsupported are the nested properties that are refused, as paths.
	Unsupported []string
	// ExactlyOne and AtMostOne are groups of properties that exclude each other.
	ExactlyOne, AtMostOne [][]string
	// ForceNew are the paths whose change replaces the resource.
	ForceNew []string
	// Replaces returns more of them, which depend on other inputs. Optional.
	Replaces func(before, after Props) []string
	// Computed are the inputs that the vendor chooses where they aren't set,
	// so that a preview doesn't know them and leaving them out is no change.
	Computed []string
	// Defaults are the values of inputs that aren't set.
	Defaults map[string]any
	// Sets are the lists whose order has no meaning.
	Sets []string
	// Equal says whether two strings mean the same at a path, such as a name and
	// a link. Optional.
	Equal func(path, a, b string) bool
	// Secret are the outputs that are secret whatever they are made from.
	Secret []string
	// Wires says which inputs an output is made from: it is as secret as they
	// are, and unknown in a preview that changes one of them.
	Wires map[string][]string
}

// elementTyper is what the SDK's Args implement: the element type is the plain
// struct, whose tags are the names of the schema's properties.
type elementTyper interface{ ElementType() reflect.Type }

// plainType is the struct whose tags name the properties.
func plainType(v any) reflect.Type {
	if e, ok := v.(elementTyper); ok {
		return e.ElementType()
	}
	t := reflect.TypeOf(v) // the arguments of a function are plain already
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

// fields maps a struct's property names to its fields' types.
func fields(t reflect.Type) map[string]reflect.Type {
	m := map[string]reflect.Type{}
	for i := range t.NumField() {
		if name, _, _ := strings.Cut(t.Field(i).Tag.Get("pulumi"), ","); name != "" {
			m[name] = t.Field(i).Type
		}
	}
	return m
}

// Inputs maps the names of the inputs to their Go types.
func (s *Schema) Inputs() map[string]reflect.Type { return fields(plainType(s.Args)) }

// Settable says whether a property is an input that a program may set.
func (s *Schema) Settable(name string) bool {
	t, ok := s.Inputs()[name]
	return ok && (s.Supported == nil || slices.Contains(s.Supported, name) || slices.Contains(s.Required, name) || required(t))
}

// outputs maps the names of the outputs to their Go types.
func (s *Schema) outputs() map[string]reflect.Type {
	if s.Outputs == nil {
		return nil
	}
	t := reflect.TypeOf(s.Outputs)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return fields(t)
}

func (s *Schema) equal(path string, a, b resource.PropertyValue) bool {
	return s.Equal != nil && a.IsString() && b.IsString() && s.Equal(withoutIndices(path), a.StringValue(), b.StringValue())
}

// WithDefaults returns the inputs and the defaults of those that aren't set.
func (s *Schema) WithDefaults(in Props) Props {
	out := From(s.Defaults)
	for k, v := range in {
		if !v.IsNull() {
			out[k] = v
		}
	}
	return out
}

// withoutIndices turns "rules[0].portRange" into "rules.portRange".
func withoutIndices(path string) string {
	var b strings.Builder
	for path != "" {
		head, rest, found := strings.Cut(path, "[")
		b.WriteString(head)
		if !found {
			break
		}
		index, after, _ := strings.Cut(rest, "]")
		if strings.HasPrefix(index, `"`) { // a key that has dots in it
			b.WriteString("." + strings.Trim(index, `"`))
		}
		path = after
	}
	return strings.TrimPrefix(b.String(), ".")
}

// covers says whether one of the paths is path or holds it.
func covers(paths []string, path string) bool {
	for _, p := range paths {
		if path == p || strings.HasPrefix(path, p+".") {
			return true
		}
	}
	return false
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func index(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }
