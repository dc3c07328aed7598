package cloud

import (
	"testing"

	"hybrid/lab/plugins/provider"
)

func TestNames(t *testing.T) {
	const urn = "urn:pulumi:dev::hybrid::aws:ec2/instance:Instance::of-the-urn"
	for want, p := range map[string]map[string]any{
		"of-the-object": {"name": "of-the-object", "tags": map[string]any{"Name": "tag"}},
		// An instance isn't called as its key is.
		"of-the-tag": {"keyName": "key", "tags": map[string]any{"Name": "of-the-tag"}},
		"of-the-urn": {"keyName": "key", "tags": map[string]any{}},
	} {
		if got := (&Object{URN: urn, Props: provider.From(p)}).Name(); got != want {
			t.Errorf("%v is called %q; want %q", p, got, want)
		}
	}
}

func TestMachineNames(t *testing.T) {
	s := &State{}
	s.init()
	old := &Object{ID: "i-111111111", Type: "vm", Props: provider.From(map[string]any{"name": "one"})}
	s.Objects[old.ID] = old
	for _, test := range []struct{ id, wanted, want string }{
		{"i-222222222", "two", "two"},
		{"i-222222222", "one", "one-222222"}, // taken
		{"i-111111111", "one", "one"},        // its own
		{"i-222222222", "", "i-222222222"},
		{"i-222222222", "my node", "i-222222222"},
		{"projects/p/instances/x", "", "x"},
	} {
		if got := s.MachineName(&Object{ID: test.id, Type: "vm"}, test.wanted); got != test.want {
			t.Errorf("%s, wanted %q: got %q; want %q", test.id, test.wanted, got, test.want)
		}
	}
}
