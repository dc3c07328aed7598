package cloud

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"hybrid/lab/plugins/provider"
)

// Props are the properties of an object, under the names of the vendor's SDK.
type Props = provider.Props

// Phase is where an object is in its life.
type Phase string

// An object's phases. Creating and Deleting last as long as Docker takes, or
// until what a killed process left is finished.
const (
	Creating Phase = "creating"
	Ready    Phase = "ready"
	Deleting Phase = "deleting"
)

// Object is a thing that exists in a simulated cloud.
type Object struct {
	ID    string
	Type  string // the type's token, such as aws:ec2/vpc:Vpc
	URN   string // of the resource that it was created for
	Phase Phase
	// Recorded says that the engine has shown to know the ID.
	Recorded bool
	Config   Props // of the provider: where the object is
	Props    Props // plain: a cloud has no secrets of the stack's
}

// places are the settings of a provider that say where things are.
var places = []resource.PropertyKey{"region", "project", "zone"}

func placesOf(config Props) Props {
	out := Props{}
	for _, k := range places {
		if v, ok := config[k]; ok {
			out[k] = v
		}
	}
	return out
}

type storedObject struct {
	Type     string         `json:"type"`
	URN      string         `json:"urn"`
	Phase    Phase          `json:"phase"`
	Recorded bool           `json:"recorded,omitempty"`
	Config   map[string]any `json:"config,omitempty"`
	Props    map[string]any `json:"props"`
}

// Name is what people call the object.
func (o *Object) Name() string {
	name := cmp.Or(provider.Str(o.Props, "name"), provider.StrMap(o.Props, "tags")["Name"])
	if name == "" && o.URN != "" { // tags that droplets bring along belong to no resource
		name = resource.URN(o.URN).Name()
	}
	return name
}

// State is all of one cloud. The zero State is an empty cloud.
type State struct {
	Objects map[string]*Object
	// Leases maps addresses to the IDs of the objects that hold them. Private
	// addresses carry their network: "subnet-1/10.0.0.4".
	Leases map[string]string
	// Cursors are where the search for a free address of a pool goes on.
	Cursors map[string]string
	Serial  int // the last number given out
}

type storedState struct {
	Objects map[string]storedObject `json:"objects"`
	Leases  map[string]string       `json:"leases"`
	Cursors map[string]string       `json:"cursors"`
	Serial  int                     `json:"serial"`
}

// MarshalJSON writes the state as it lies in the file.
func (s *State) MarshalJSON() ([]byte, error) {
	out := storedState{Objects: map[string]storedObject{}, Leases: s.Leases, Cursors: s.Cursors, Serial: s.Serial}
	for id, o := range s.Objects {
		out.Objects[id] = storedObject{o.Type, o.URN, o.Phase, o.Recorded, o.Config.Mappable(), o.Props.Mappable()}
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads the state.
func (s *State) UnmarshalJSON(text []byte) error {
	var in storedState
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	*s = State{Leases: in.Leases, Cursors: in.Cursors, Serial: in.Serial}
	s.init()
	for id, o := range in.Objects {
		s.Objects[id] = &Object{id, o.Type, o.URN, o.Phase, o.Recorded, provider.From(o.Config), provider.From(o.Props)}
	}
	return nil
}

func (s *State) init() {
	if s.Objects == nil {
		s.Objects = map[string]*Object{}
	}
	if s.Leases == nil {
		s.Leases = map[string]string{}
	}
	if s.Cursors == nil {
		s.Cursors = map[string]string{}
	}
}

// Get returns the object of a type, or nil. What is being deleted is gone for
// all but those who delete it.
func (s *State) Get(typ, id string) *Object {
	if o := s.Objects[id]; o != nil && o.Type == typ && o.Phase != Deleting {
		return o
	}
	return nil
}

// All returns the objects of a type by ID, without those being deleted.
func (s *State) All(typ string) []*Object {
	var out []*Object
	for _, id := range slices.Sorted(maps.Keys(s.Objects)) {
		if o := s.Get(typ, id); o != nil {
			out = append(out, o)
		}
	}
	return out
}

// Find returns the object of a type whose property has a value, or nil.
func (s *State) Find(typ, property, value string) *Object {
	for _, o := range s.All(typ) {
		if provider.Str(o.Props, property) == value {
			return o
		}
	}
	return nil
}

// drop removes an object and gives its addresses back.
func (s *State) drop(id string) {
	delete(s.Objects, id)
	maps.DeleteFunc(s.Leases, func(_, holder string) bool { return holder == id })
}

// NewID returns an ID as AWS makes them: a prefix and 17 hexadecimal digits.
func NewID(prefix string) string { return prefix + "-" + RandomHex(17) }

// NewUUID returns a random (version 4) UUID.
func NewUUID() string {
	h := RandomHex(32)
	return strings.Join([]string{h[:8], h[8:12], "4" + h[13:16], "a" + h[17:20], h[20:]}, "-")
}

// NewNumber returns a number that no object of this cloud has had.
func (s *State) NewNumber(base int) int {
	s.Serial++
	return base + s.Serial
}

// RandomHex returns n random hexadecimal digits.
func RandomHex(n int) string {
	b := make([]byte, (n+1)/2)
	if _, err := rand.Read(b); err != nil {
		panic(fmt.Sprintf("the system's random source failed: %v", err)) // never on Linux
	}
	return hex.EncodeToString(b)[:n]
}

var hostname = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]{0,62}$`)

// MachineName is what a machine's container is called: as people call the
// machine, if that can be a name and no other machine of the cloud has it (the
// old one has, while a replacement is being made), or else with its ID.
func (s *State) MachineName(o *Object, wanted string) string {
	if !hostname.MatchString(wanted) {
		return path.Base(o.ID)
	}
	for _, other := range s.Objects {
		if other.Type == o.Type && other.ID != o.ID && other.Name() == wanted {
			id := path.Base(o.ID)
			return wanted + "-" + id[max(0, len(id)-6):]
		}
	}
	return wanted
}
