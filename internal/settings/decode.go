package settings

import (
	"encoding/json"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"
)

// Get reads a whole namespace of a stack's config into a struct, field by field, by
// their json tags. get returns a config value: text as it is, the rest as JSON. What
// is not set, or empty, stays as it was: into has the defaults.
func Get(namespace string, get func(key string) string, into any, p *Problems) {
	for _, f := range fields(into) {
		key := namespace + ":" + f.key
		text := get(key)
		if text == "" || text == "null" {
			continue
		}
		raw := json.RawMessage(text)
		if f.value.Kind() == reflect.String || f.value.Type() == prefixType {
			raw, _ = json.Marshal(text)
		}
		value(raw, place{subject: key}, f.value, p)
	}
}

// Object reads a JSON object into a struct as Get does, and notes the keys that the
// struct doesn't have. It says whether there is an object at all.
func Object(raw json.RawMessage, subject string, into any, p *Problems) bool {
	return object(raw, place{subject: subject}, reflect.ValueOf(into).Elem(), p)
}

// List reads a JSON list, item by item.
func List(raw json.RawMessage, subject string, p *Problems) []json.RawMessage {
	var items []json.RawMessage
	if len(raw) == 0 {
		return nil
	}
	if json.Unmarshal(raw, &items) != nil {
		p.Add(subject, "expected a list, found %s", short(raw))
	}
	return items
}

// Keys are the keys that a struct has fields for.
func Keys(of any) []string {
	var keys []string
	for _, f := range fields(of) {
		keys = append(keys, f.key)
	}
	return keys
}

// place says where a value is: in the subject itself, or at a key of it.
type place struct{ subject, key string }

// add notes a problem with a value. Where there is a key, the text begins with it.
func (at place) add(p *Problems, format string, args ...any) {
	if at.key != "" {
		format, args = "%s "+format, append([]any{at.key}, args...)
	}
	p.Add(at.subject, format, args...)
}

type field struct {
	key   string
	value reflect.Value
}

// fields are a struct's that have a json tag, those of embedded structs too. v is the
// struct or points to it.
func fields(v any) []field {
	s := reflect.Indirect(reflect.ValueOf(v))
	var all []field
	for _, f := range reflect.VisibleFields(s.Type()) {
		key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if key != "" && key != "-" {
			all = append(all, field{key, s.FieldByIndex(f.Index)})
		}
	}
	return all
}

func object(raw json.RawMessage, at place, into reflect.Value, p *Problems) bool {
	var found map[string]json.RawMessage
	if json.Unmarshal(raw, &found) != nil || found == nil {
		at.found(raw, "an object", p)
		return false
	}
	var known []string
	for _, f := range fields(into.Addr().Interface()) {
		known = append(known, f.key)
		if raw, ok := found[f.key]; ok && string(raw) != "null" {
			value(raw, place{at.subject, f.key}, f.value, p)
		} else if r, ok := f.value.Interface().(netip.Prefix); ok && !r.IsValid() {
			place{at.subject, f.key}.prefix("", p)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(found)) {
		if !slices.Contains(known, key) {
			p.Add(at.subject, "%s", Unknown(key, known))
		}
	}
	return true
}

var (
	prefixType   = reflect.TypeFor[netip.Prefix]()
	prefixesType = reflect.TypeFor[[]netip.Prefix]()
	anyType      = reflect.TypeFor[map[string]any]()
)

// value reads one value.
func value(raw json.RawMessage, at place, into reflect.Value, p *Problems) {
	_, own := into.Addr().Interface().(json.Unmarshaler)
	switch {
	case into.Type() == prefixType:
		var text string
		if json.Unmarshal(raw, &text) != nil {
			at.found(raw, "a string", p)
			return
		}
		into.Set(reflect.ValueOf(at.prefix(text, p)))
	case into.Type() == prefixesType:
		var texts []string
		if json.Unmarshal(raw, &texts) != nil {
			at.found(raw, "a list", p)
		}
		var all []netip.Prefix
		for _, text := range texts {
			all = append(all, at.prefix(text, p))
		}
		into.Set(reflect.ValueOf(all))
	case into.Kind() == reflect.Struct && !own:
		object(raw, at, into, p)
	default:
		if json.Unmarshal(raw, into.Addr().Interface()) != nil {
			at.found(raw, expected(into), p)
		} else if into.Type() == anyType {
			tidy(into.Interface())
		}
	}
}

// found notes a value of a wrong type.
func (at place) found(raw json.RawMessage, expected string, p *Problems) {
	if at.key == "" {
		at.add(p, "expected %s, found %s", expected, short(raw))
	} else {
		at.add(p, "is %s: expected %s", short(raw), expected)
	}
}

// short is a value as far as it can be read in an error.
func short(raw json.RawMessage) string {
	if text := []rune(string(raw)); len(text) > 200 {
		return string(text[:200]) + "…"
	}
	return string(raw)
}

// expected describes what a field takes. A type that reads JSON in a way of its own
// has a method Expected for this.
func expected(v reflect.Value) string {
	if e, ok := v.Interface().(interface{ Expected() string }); ok {
		return e.Expected()
	}
	switch t := v.Type(); t.Kind() {
	case reflect.Bool:
		return "true or false, without quotes"
	case reflect.Int:
		return "a whole number, without quotes"
	case reflect.String:
		return "a string"
	case reflect.Slice:
		return "a list of " + t.Elem().Kind().String() + "s"
	case reflect.Map:
		if t.Elem().Kind() == reflect.Int {
			return "an object of whole numbers"
		}
	}
	return "an object"
}

// tidy turns whole numbers, which JSON doesn't know, into integers: YAML would
// write a million as 1e+06. And it takes away what is empty, which means no change.
func tidy(v any) any {
	switch v := v.(type) {
	case float64:
		if v == float64(int64(v)) {
			return int64(v)
		}
	case []any:
		v = slices.DeleteFunc(v, func(item any) bool { return item == nil })
		for i := range v {
			v[i] = tidy(v[i])
		}
		return v
	case map[string]any:
		maps.DeleteFunc(v, func(_ string, item any) bool { return item == nil })
		for k := range v {
			v[k] = tidy(v[k])
		}
	}
	return v
}

// prefix reads an IPv4 range such as 10.10.0.0/24.
func (at place) prefix(text string, p *Problems) netip.Prefix {
	if text == "" {
		at.add(p, "missing: set it to an IPv4 range, such as 10.10.0.0/24")
		return netip.Prefix{}
	}
	r, err := netip.ParsePrefix(text)
	if err != nil || !r.Addr().Is4() {
		if a, err := netip.ParseAddr(text); err == nil && a.Is4() {
			at.add(p, "%s is an address: expected a range; a single address is %s/32", text, text)
		} else {
			at.add(p, "%q: expected an IPv4 range, such as 10.10.0.0/24", text)
		}
		return netip.Prefix{}
	}
	if r != r.Masked() {
		at.add(p, "%s is an address within a range: write the range as %s", text, r.Masked())
	}
	return r.Masked()
}
