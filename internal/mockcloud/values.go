package mockcloud

import (
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// Open takes secrets and outputs off a value.
func Open(v resource.PropertyValue) resource.PropertyValue {
	for v.IsSecret() || v.IsOutput() {
		if v.IsSecret() {
			v = v.SecretValue().Element
		} else {
			v = v.OutputValue().Element
		}
	}
	return v
}

// At goes down into a value; what isn't there is null.
func At(v resource.PropertyValue, path ...resource.PropertyKey) resource.PropertyValue {
	v = Open(v)
	for _, k := range path {
		if !v.IsObject() {
			return resource.NewNullProperty()
		}
		v = Open(v.ObjectValue()[k])
	}
	return v
}

// Text is the string that is there, secret or not, or nothing.
func Text(v resource.PropertyValue, path ...resource.PropertyKey) string {
	if v = At(v, path...); v.IsString() {
		return v.StringValue()
	}
	return ""
}

// List are the items of the list that is there.
func List(v resource.PropertyValue, path ...resource.PropertyKey) []resource.PropertyValue {
	if v = At(v, path...); v.IsArray() {
		return v.ArrayValue()
	}
	return nil
}

// Texts are the strings of the list that is there.
func Texts(v resource.PropertyValue, path ...resource.PropertyKey) (out []string) {
	for _, e := range List(v, path...) {
		out = append(out, Text(e))
	}
	return out
}

// Plain is all of a value that is not secret.
func Plain(m resource.PropertyMap) string {
	var out strings.Builder
	var walk func(v resource.PropertyValue)
	walk = func(v resource.PropertyValue) {
		switch {
		case v.IsSecret(), v.IsOutput() && v.OutputValue().Secret:
		case v.IsOutput():
			walk(v.OutputValue().Element)
		case v.IsString():
			out.WriteString(v.StringValue() + "\n")
		case v.IsArray():
			for _, e := range v.ArrayValue() {
				walk(e)
			}
		case v.IsObject():
			for _, e := range v.ObjectValue() {
				walk(e)
			}
		}
	}
	walk(resource.NewProperty(m))
	return out.String()
}
