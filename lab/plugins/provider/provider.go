package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
)

// StackVariable names the environment variable that holds the only stack the
// plugins serve.
const StackVariable = "HYBRID_LAB_STACK"

// Provider implements plugin.Provider for a Package.
type Provider struct {
	plugin.UnimplementedProvider
	pkg    *Package
	log    Logger
	config Props
	ctx    context.Context // ends with SignalCancellation and Close
	cancel context.CancelFunc
}

// New returns a provider that serves the package.
func New(pkg *Package, log Logger) *Provider {
	ctx, cancel := context.WithCancel(context.Background())
	return &Provider{pkg: pkg, log: log, ctx: ctx, cancel: cancel}
}

// Close ends all that is under way.
func (p *Provider) Close() error { p.cancel(); return nil }

// SignalCancellation ends all that is under way: the user has asked for it.
func (p *Provider) SignalCancellation(context.Context) error { p.cancel(); return nil }

// Handshake asks the engine for marked secrets.
func (p *Provider) Handshake(context.Context, plugin.ProviderHandshakeRequest) (*plugin.ProviderHandshakeResponse, error) {
	return &plugin.ProviderHandshakeResponse{AcceptSecrets: true}, nil
}

// GetPluginInfo returns the version.
func (p *Provider) GetPluginInfo(context.Context) (plugin.PluginInfo, error) {
	v, err := semver.Parse(p.pkg.Version())
	return plugin.PluginInfo{Version: &v}, err
}

// GetSchema returns a schema without resources: programs have the vendor's SDK.
func (p *Provider) GetSchema(context.Context, plugin.GetSchemaRequest) (plugin.GetSchemaResponse, error) {
	schema, err := json.Marshal(map[string]string{"name": p.pkg.Name, "version": p.pkg.Version()})
	return plugin.GetSchemaResponse{Schema: schema}, err
}

// GetMapping knows no other ecosystems.
func (p *Provider) GetMapping(context.Context, plugin.GetMappingRequest) (plugin.GetMappingResponse, error) {
	return plugin.GetMappingResponse{}, nil
}

// refuse fails for every stack but the lab's.
func (p *Provider) refuse(urn resource.URN) error {
	lab := os.Getenv(StackVariable)
	if lab == "" {
		return fmt.Errorf("this is the lab's simulated %s provider and $%s isn't set: run `eval \"$(make -s env)\"` for the lab, or leave the lab's PULUMI_HOME for real clouds", p.pkg.Name, StackVariable)
	}
	if stack := urn.Stack().String(); stack != lab {
		return fmt.Errorf("this is the lab's simulated %s provider: it serves the stack %q alone, not %q; for real clouds leave the lab's PULUMI_HOME", p.pkg.Name, lab, stack)
	}
	return nil
}

// CheckConfig refuses stacks other than the lab's and settings that the vendor
// doesn't know.
func (p *Provider) CheckConfig(_ context.Context, r plugin.CheckConfigRequest) (plugin.CheckConfigResponse, error) {
	if err := p.refuse(r.URN); err != nil {
		return plugin.CheckConfigResponse{}, err
	}
	known := map[string]bool{"version": true, "pluginDownloadURL": true} // the engine's own
	if p.pkg.Config != nil {
		for k := range fields(plainType(p.pkg.Config)) {
			known[k] = true
		}
	}
	var f Failures
	for k := range r.News {
		if !known[string(k)] && !resource.IsInternalPropertyKey(k) {
			f = append(f, Failure(string(k), "no such setting; there are %s", strings.Join(slices.Sorted(maps.Keys(known)), ", ")))
		}
	}
	if p.pkg.CheckConfig != nil {
		f = append(f, p.pkg.CheckConfig(PlainProps(r.News))...)
	}
	return plugin.CheckConfigResponse{Properties: r.News, Failures: f}, nil
}

// DiffConfig compares configurations.
func (p *Provider) DiffConfig(_ context.Context, r plugin.DiffConfigRequest) (plugin.DiffConfigResponse, error) {
	s := Schema{ForceNew: p.pkg.ConfigForceNew}
	before, after := r.OldInputs.Copy(), r.NewInputs.Copy()
	delete(before, "version")
	delete(after, "version")
	return s.Diff(before, nil, after), nil
}

// Configure refuses stacks other than the lab's once more: CheckConfig isn't
// called for destroy and refresh.
func (p *Provider) Configure(_ context.Context, r plugin.ConfigureRequest) (plugin.ConfigureResponse, error) {
	if r.URN != nil {
		if err := p.refuse(*r.URN); err != nil {
			return plugin.ConfigureResponse{}, err
		}
	}
	p.config = PlainProps(r.Inputs)
	return plugin.ConfigureResponse{}, nil
}

// resource returns a resource type, if the stack is the lab's.
func (p *Provider) resource(urn resource.URN, t tokens.Type) (*Resource, error) {
	if err := p.refuse(urn); err != nil {
		return nil, err
	}
	r, ok := p.pkg.Resources[string(t)]
	if !ok {
		return nil, fmt.Errorf("the lab doesn't simulate resource type %s: it has %s", t, strings.Join(slices.Sorted(maps.Keys(p.pkg.Resources)), ", "))
	}
	return r, nil
}

// call makes the surroundings of one request. timeout is in seconds, 0 for none.
func (p *Provider) call(ctx context.Context, urn resource.URN, timeout float64) (*Call, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(p.ctx, cancel)
	release := func() { stop(); cancel() }
	untimed := ctx
	if timeout > 0 {
		timed, expire := context.WithTimeout(ctx, time.Duration(timeout*float64(time.Second)))
		ctx, release = timed, func() { expire(); stop(); cancel() }
	}
	return &Call{Context: ctx, Untimed: untimed, URN: urn, Config: p.config, Log: p.log}, release
}

// Invoke calls a function.
func (p *Provider) Invoke(ctx context.Context, r plugin.InvokeRequest) (plugin.InvokeResponse, error) {
	f, ok := p.pkg.Functions[string(r.Tok)]
	if !ok {
		return plugin.InvokeResponse{}, fmt.Errorf("the lab doesn't simulate function %s: it has %s", r.Tok, strings.Join(slices.Sorted(maps.Keys(p.pkg.Functions)), ", "))
	}
	in := PlainProps(r.Args)
	s := Schema{Args: f.Args}
	if failures := s.Validate(in); len(failures) > 0 {
		return plugin.InvokeResponse{Failures: failures}, nil
	}
	c, release := p.call(ctx, "", 0)
	defer release()
	out, err := f.Call(c, in)
	return plugin.InvokeResponse{Properties: out}, err
}
