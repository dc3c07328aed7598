package provider

import (
	"context"
	"runtime/debug"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// Package is what one plugin serves.
type Package struct {
	Name   string // such as aws
	Module string // the SDK's Go module, whose version the plugin has
	// Config is the SDK's ProviderArgs; ConfigForceNew are those of its
	// properties whose change replaces the provider and all that is its.
	Config         any
	ConfigForceNew []string
	CheckConfig    func(in Props) Failures // optional
	Resources      map[string]*Resource
	Functions      map[string]*Function
}

// Resource is a resource type. All properties that its functions get are plain
// and known, but for those of Check.
type Resource struct {
	Schema
	// Check finds what the schema can't tell. It gets inputs that have the
	// right types, some of which may not be known yet. Optional.
	Check func(c *Call, in Props) Failures
	// Create returns the ID and all properties, the inputs among them.
	Create func(c *Call, in Props) (id string, all Props, err error)
	// Read returns the properties as they are now, or nil if the resource is
	// gone. Nil: the stack's own record is all there is.
	Read func(c *Call, id string) (Props, error)
	// Update returns all properties.
	Update func(c *Call, id string, old, in Props) (Props, error)
	// Delete gets the outputs. Optional.
	Delete func(c *Call, id string, old Props) error
	// Aged returns the outputs that time alone has changed, given all properties:
	// that a certificate is due for renewal, for one. A refresh records them, and
	// any such change replaces the resource. Optional.
	Aged func(all Props) Props
	// Recorded is told of each ID that the engine shows to have recorded. It
	// tells apart what an interrupted Create left behind. Optional.
	Recorded func(id string) error
}

// Function is a function, which the engine also calls in previews.
type Function struct {
	Args any // the SDK's ...Args
	Call func(c *Call, in Props) (Props, error)
}

// Call is the surroundings of a resource's functions. Its context ends when the
// user interrupts the deployment, when the resource's time is up and when the
// engine dies.
type Call struct {
	context.Context
	// Untimed ends when the engine cancels, and not when the resource's time is up:
	// for what a vendor's provider doesn't end either.
	Untimed context.Context
	URN     resource.URN // empty in functions
	Config  Props        // the provider's configuration
	Log     Logger
}

// Version is the version of the package's SDK in this program's go.mod, without
// the v. The engine holds a plugin's version against that of the SDK that asks
// for it.
func (p *Package) Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return versionIn(info, p.Module)
}

func versionIn(info *debug.BuildInfo, module string) string {
	for _, m := range info.Deps {
		if m.Path == module {
			return strings.TrimPrefix(m.Version, "v")
		}
	}
	return "0.0.0"
}
