package provider

import (
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
)

// Props are the properties of a resource.
type Props = resource.PropertyMap

// Failures are what is wrong with a resource's inputs.
type Failures = []plugin.CheckFailure

// Failure says what is wrong with one property.
func Failure(property, format string, args ...any) plugin.CheckFailure {
	return plugin.CheckFailure{Property: resource.PropertyKey(property), Reason: fmt.Sprintf(format, args...)}
}

// From makes properties of plain Go values.
func From(m map[string]any) Props { return resource.NewPropertyMapFromMap(m) }

// Merge returns the properties of all maps; later ones win.
func Merge(maps ...Props) Props {
	out := Props{}
	for _, m := range maps {
		for k, v := range m {
			out[k] = v
		}
	}
	return out
}

// Known says whether a property is set, and to a value that is known.
func Known(p Props, key string) bool {
	v, ok := p[resource.PropertyKey(key)]
	return ok && !v.IsNull() && !v.ContainsUnknowns()
}

// Set says whether a property is set, be its value known or not.
func Set(p Props, key string) bool { return p.HasValue(resource.PropertyKey(key)) }

// Filled says whether a list is set and has elements, or may have: its value
// isn't known yet.
func Filled(p Props, key string) bool {
	v := p[resource.PropertyKey(key)]
	return v.IsComputed() || v.IsArray() && len(v.ArrayValue()) > 0
}

// Str returns a property's string, or "".
func Str(p Props, key string) string {
	if v := p[resource.PropertyKey(key)]; v.IsString() {
		return v.StringValue()
	}
	return ""
}

// Int returns a property's whole number, or fallback if it has none.
func Int(p Props, key string, fallback int) int {
	if v := p[resource.PropertyKey(key)]; v.IsNumber() {
		return int(v.NumberValue())
	}
	return fallback
}

// Bool returns a property's boolean, or fallback if it has none.
func Bool(p Props, key string, fallback bool) bool {
	if v := p[resource.PropertyKey(key)]; v.IsBool() {
		return v.BoolValue()
	}
	return fallback
}

// Strs returns the known strings of a list.
func Strs(p Props, key string) []string {
	var out []string
	if v := p[resource.PropertyKey(key)]; v.IsArray() {
		for _, e := range v.ArrayValue() {
			if e.IsString() {
				out = append(out, e.StringValue())
			}
		}
	}
	return out
}

// Ints returns the known whole numbers of a list.
func Ints(p Props, key string) []int {
	var out []int
	if v := p[resource.PropertyKey(key)]; v.IsArray() {
		for _, e := range v.ArrayValue() {
			if e.IsNumber() {
				out = append(out, int(e.NumberValue()))
			}
		}
	}
	return out
}

// Obj returns an object's properties, or nil.
func Obj(p Props, key string) Props {
	if v := p[resource.PropertyKey(key)]; v.IsObject() {
		return v.ObjectValue()
	}
	return nil
}

// Objs returns the known objects of a list.
func Objs(p Props, key string) []Props {
	var out []Props
	if v := p[resource.PropertyKey(key)]; v.IsArray() {
		for _, e := range v.ArrayValue() {
			if e.IsObject() {
				out = append(out, e.ObjectValue())
			}
		}
	}
	return out
}

// StrMap returns the known strings of a map.
func StrMap(p Props, key string) map[string]string {
	out := map[string]string{}
	for k, v := range Obj(p, key) {
		if v.IsString() {
			out[string(k)] = v.StringValue()
		}
	}
	return out
}

// Any converts strings to the values that From wants.
func Any(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

// Plain returns a value without its marks of secrecy and dependency.
func Plain(v resource.PropertyValue) resource.PropertyValue {
	switch {
	case v.IsSecret():
		return Plain(v.SecretValue().Element)
	case v.IsOutput():
		if o := v.OutputValue(); o.Known {
			return Plain(o.Element)
		}
		return unknown()
	case v.IsArray():
		list := make([]resource.PropertyValue, len(v.ArrayValue()))
		for i, e := range v.ArrayValue() {
			list[i] = Plain(e)
		}
		return resource.NewArrayProperty(list)
	case v.IsObject():
		return resource.NewObjectProperty(PlainProps(v.ObjectValue()))
	}
	return v
}

// PlainProps returns the properties without marks of secrecy and dependency,
// and without the engine's own (such as __defaults).
func PlainProps(p Props) Props {
	out := Props{}
	for k, v := range p {
		if !resource.IsInternalPropertyKey(k) {
			out[k] = Plain(v)
		}
	}
	return out
}

// keepSecrets marks what was secret where it came from.
func keepSecrets(out, from Props) Props {
	marked := out.Copy()
	for k, v := range from {
		if now, ok := marked[k]; ok && v.ContainsSecrets() && !now.IsSecret() {
			marked[k] = resource.MakeSecret(now)
		}
	}
	return marked
}

func unknown() resource.PropertyValue {
	return resource.MakeComputed(resource.NewStringProperty(""))
}
