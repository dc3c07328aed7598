package provider

import (
	"context"
	"fmt"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
)

// Check validates inputs and names what has no name.
func (p *Provider) Check(ctx context.Context, r plugin.CheckRequest) (plugin.CheckResponse, error) {
	t, err := p.resource(r.URN, r.Type)
	if err != nil {
		return plugin.CheckResponse{}, err
	}
	in := r.News.Copy()
	if k := resource.PropertyKey(t.Name); k != "" && !in.HasValue(k) {
		if in[k], err = automaticName(r, k); err != nil {
			return plugin.CheckResponse{}, err
		}
		in[defaulted] = resource.NewPropertyValue([]any{t.Name})
	}
	f := t.Validate(in)
	if t.Check != nil && len(f) == 0 {
		c, release := p.call(ctx, r.URN, 0)
		defer release()
		f = t.Check(c, PlainProps(in))
	}
	return plugin.CheckResponse{Properties: in, Failures: f}, nil
}

// automaticName keeps the name that a resource got before, or makes one up.
func automaticName(r plugin.CheckRequest, k resource.PropertyKey) (resource.PropertyValue, error) {
	if slices.Contains(Strs(r.Olds, defaulted), string(k)) && r.Olds.HasValue(k) {
		return r.Olds[k], nil
	}
	const suffix, longest = 7, 63 // as the vendors' providers; a DNS label
	name, err := resource.NewUniqueName(r.RandomSeed, r.Name+"-", suffix, longest, nil)
	return resource.NewStringProperty(name), err
}

// Diff compares inputs.
func (p *Provider) Diff(_ context.Context, r plugin.DiffRequest) (plugin.DiffResponse, error) {
	t, err := p.resource(r.URN, r.Type)
	if err != nil {
		return plugin.DiffResponse{}, err
	}
	if err := t.recorded(r.ID); err != nil {
		return plugin.DiffResponse{}, err
	}
	result := t.Diff(r.OldInputs, r.OldOutputs, r.NewInputs)
	if t.Aged != nil {
		for k := range t.Aged(Merge(PlainProps(r.OldOutputs), t.WithDefaults(PlainProps(r.NewInputs)))) {
			replace(&result, string(k))
		}
	}
	return result, nil
}

// replace adds to a comparison that an output's change replaces the resource.
func replace(result *plugin.DiffResult, output string) {
	result.Changes = plugin.DiffSome
	result.ChangedKeys = appendOnce(result.ChangedKeys, output)
	result.ReplaceKeys = appendOnce(result.ReplaceKeys, output)
	if result.DetailedDiff == nil {
		result.DetailedDiff = map[string]plugin.PropertyDiff{}
	}
	result.DetailedDiff[output] = plugin.PropertyDiff{Kind: plugin.DiffUpdateReplace}
}

func (t *Resource) recorded(id resource.ID) error {
	if t.Recorded == nil {
		return nil
	}
	return t.Recorded(string(id))
}

// Create creates a resource, or says what is known of it before.
func (p *Provider) Create(ctx context.Context, r plugin.CreateRequest) (plugin.CreateResponse, error) {
	t, err := p.resource(r.URN, r.Type)
	if err != nil {
		return plugin.CreateResponse{}, err
	}
	if r.Preview {
		return plugin.CreateResponse{Properties: t.wire(t.preview(r.Properties, nil), r.Properties)}, nil
	}
	c, release := p.call(ctx, r.URN, r.Timeout)
	defer release()
	id, all, err := t.Create(c, PlainProps(r.Properties))
	if err != nil {
		return plugin.CreateResponse{}, fmt.Errorf("creating %s: %w", r.Name, err)
	}
	return plugin.CreateResponse{ID: resource.ID(id), Properties: t.wire(keepSecrets(all, r.Properties), r.Properties)}, nil
}

// preview is what is known of the outputs before a resource is created (old is
// nil) or updated.
func (t *Resource) preview(in, old Props) Props {
	out := t.WithDefaults(in)
	delete(out, defaulted)
	inputs := t.Inputs()
	for k := range t.outputs() {
		key := resource.PropertyKey(k)
		computed := slices.Contains(t.Computed, k)
		_, given := out[key]
		_, input := inputs[k]
		before, was := old[key]
		switch {
		case was && (computed || !input):
			out[key] = before
		case given && !computed, input && !computed: // as given; or left out, which it stays
		case given && !t.fills(in[key]):
		default:
			out[key] = unknown()
		}
	}
	return out
}

// fills says whether the vendor may add to a computed input that is given: to
// objects and lists of them it does, while strings and the like stay.
func (t *Resource) fills(v resource.PropertyValue) bool {
	v = Plain(v)
	return v.IsObject() || v.IsArray()
}

// wire marks as secret the outputs that are, or that a secret input makes.
func (t *Resource) wire(out, in Props) Props {
	for _, k := range t.Secret {
		key := resource.PropertyKey(k)
		if v, ok := out[key]; ok && !v.IsSecret() {
			out[key] = resource.MakeSecret(v)
		}
	}
	for o, from := range t.Wires {
		key := resource.PropertyKey(o)
		for _, i := range from {
			if v, ok := out[key]; ok && in[resource.PropertyKey(i)].ContainsSecrets() && !v.IsSecret() {
				out[key] = resource.MakeSecret(v)
			}
		}
	}
	return out
}

// Read returns a resource as it is now.
func (p *Provider) Read(ctx context.Context, r plugin.ReadRequest) (plugin.ReadResponse, error) {
	t, err := p.resource(r.URN, r.Type)
	if err != nil {
		return plugin.ReadResponse{}, err
	}
	if t.Read == nil {
		if len(r.State) == 0 {
			return plugin.ReadResponse{}, fmt.Errorf("a %s can't be imported", r.Type)
		}
		now := r.State
		if t.Aged != nil {
			now = Merge(now, t.Aged(PlainProps(now)))
		}
		return plugin.ReadResponse{ReadResult: plugin.ReadResult{ID: r.ID, Inputs: r.Inputs, Outputs: now}}, nil
	}
	if err := t.recorded(r.ID); err != nil {
		return plugin.ReadResponse{}, err
	}
	c, release := p.call(ctx, r.URN, r.Timeout)
	defer release()
	now, err := t.Read(c, string(r.ID))
	if err != nil {
		return plugin.ReadResponse{}, fmt.Errorf("reading %s: %w", r.Name, err)
	}
	if now == nil {
		return plugin.ReadResponse{}, nil
	}
	return plugin.ReadResponse{ReadResult: plugin.ReadResult{
		ID: r.ID, Inputs: t.drift(r.Inputs, r.State, now), Outputs: keepSecrets(now, r.State),
	}}, nil
}

// Update changes a resource, or says what is known of it before.
func (p *Provider) Update(ctx context.Context, r plugin.UpdateRequest) (plugin.UpdateResponse, error) {
	t, err := p.resource(r.URN, r.Type)
	if err != nil {
		return plugin.UpdateResponse{}, err
	}
	if err := t.recorded(r.ID); err != nil {
		return plugin.UpdateResponse{}, err
	}
	if r.Preview {
		return plugin.UpdateResponse{Properties: t.wire(t.preview(r.NewInputs, t.stale(r)), r.NewInputs)}, nil
	}
	c, release := p.call(ctx, r.URN, r.Timeout)
	defer release()
	all, err := t.Update(c, string(r.ID), PlainProps(r.OldOutputs), PlainProps(r.NewInputs))
	if err != nil {
		return plugin.UpdateResponse{}, fmt.Errorf("updating %s: %w", r.Name, err)
	}
	return plugin.UpdateResponse{Properties: t.wire(keepSecrets(all, r.NewInputs), r.NewInputs)}, nil
}

// stale returns the old outputs without those that follow from changed inputs.
func (t *Resource) stale(r plugin.UpdateRequest) Props {
	old := r.OldOutputs.Copy()
	changed := func(input string) bool {
		k := resource.PropertyKey(input)
		return !Plain(r.OldInputs[k]).DeepEquals(Plain(r.NewInputs[k]))
	}
	for o, from := range t.Wires {
		if slices.ContainsFunc(from, changed) {
			delete(old, resource.PropertyKey(o))
		}
	}
	for _, k := range t.Computed {
		if Set(r.NewInputs, k) && changed(k) {
			delete(old, resource.PropertyKey(k))
		}
	}
	return old
}

// Delete deletes a resource.
func (p *Provider) Delete(ctx context.Context, r plugin.DeleteRequest) (plugin.DeleteResponse, error) {
	t, err := p.resource(r.URN, r.Type)
	if err != nil {
		return plugin.DeleteResponse{}, err
	}
	if t.Delete == nil {
		return plugin.DeleteResponse{}, nil
	}
	c, release := p.call(ctx, r.URN, r.Timeout)
	defer release()
	if err := t.Delete(c, string(r.ID), PlainProps(r.Outputs)); err != nil {
		return plugin.DeleteResponse{}, fmt.Errorf("deleting %s: %w", r.Name, err)
	}
	return plugin.DeleteResponse{}, nil
}
