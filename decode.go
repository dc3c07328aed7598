package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"hybrid/clouds"
)

// What hybrid:mesh leaves out.
const (
	// defaultMeshImage is that of the maintained fork of Weave Net,
	// https://github.com/rajch/weave. It is pinned by tag: to be safe from one that
	// moves, set hybrid:mesh's image to a name with a digest.
	defaultMeshImage = "docker.io/rajchaudhuri/weave-kube:2.9.0"
	// defaultMTU is what fits into the 1460 bytes of Google's networks, the
	// smallest of the three clouds', with the headers of Weave Net and its
	// encryption.
	defaultMTU = 1376
)

// defaultDomain is the zone's where hybrid:zone leaves it out.
const defaultDomain = "cluster.world"

// What hybrid:federation leaves out.
const (
	// defaultCertificateHours is a year.
	defaultCertificateHours = 365 * 24
	// defaultRenewHours is 30 days: who runs pulumi up once a month never sees a
	// certificate end.
	defaultRenewHours = 30 * 24
	// defaultGraceSeconds spares a member whose API only starts anew.
	defaultGraceSeconds = 10
)

// The settings that are secret.
const (
	passwordKey = "hybrid:weavePassword"
	tokenKey    = "hybrid:federationToken"
)

// problems collects what is wrong with the settings.
type problems []problem

type problem struct{ subject, text string }

// add notes a problem: what it is about, what was found, what to do.
func (p *problems) add(subject, format string, args ...any) {
	*p = append(*p, problem{subject, fmt.Sprintf(format, args...)})
}

// err is one error with all problems, those of one subject together, or nil.
func (p problems) err() error {
	if len(p) == 0 {
		return nil
	}
	first := func(a problem) int {
		return slices.IndexFunc(p, func(b problem) bool { return a.subject == b.subject })
	}
	var lines strings.Builder
	for _, a := range slices.SortedStableFunc(slices.Values(p), func(a, b problem) int { return first(a) - first(b) }) {
		lines.WriteString("\n  - " + a.subject + ": " + a.text)
	}
	return fmt.Errorf("the stack's config has %d problem(s):%s", len(p), lines.String())
}

// decodeSettings reads the settings as far as they can be read. get returns a
// config value: plain text, or JSON for lists and objects.
func decodeSettings(get func(key string) string, p *problems) *Settings {
	s := &Settings{
		KubernetesVersion: get("hybrid:kubernetesVersion"),
		RegistryMirror:    get("hybrid:registryMirror"),
		PodCIDR:           parsePrefix(get("hybrid:podCidr"), "", "hybrid:podCidr", p),
		WeavePassword:     get(passwordKey),
		FederationToken:   get(tokenKey),

		PostgresPassword:    get(postgresPasswordKey),
		ReplicationPassword: get(replicationPasswordKey),
	}
	for _, text := range list[string](get("hybrid:adminCidrs"), "hybrid:adminCidrs", p) {
		s.AdminCIDRs = append(s.AdminCIDRs, parsePrefix(text, "", "hybrid:adminCidrs", p))
	}
	for i, raw := range list[json.RawMessage](get("hybrid:clusters"), "hybrid:clusters", p) {
		o := newObject(raw, fmt.Sprintf("cluster %d", i+1), p)
		if o == nil {
			continue
		}
		c := ClusterSettings{Name: o.text("name")}
		if c.Name != "" {
			o.subject = fmt.Sprintf("cluster %q", c.Name)
		}
		c.Cloud, c.Region, c.Zone = o.text("cloud"), o.text("region"), o.text("zone")
		c.ControlPlaneType, c.WorkerType, c.Image = o.text("controlPlaneType"), o.text("workerType"), o.text("image")
		c.Workers = o.number("workers", 1)
		c.NetworkCIDR, c.ServiceCIDR = o.prefix("networkCidr"), o.prefix("serviceCidr")
		c.FederationHost = o.truth("federationHost")
		o.done()
		s.Clusters = append(s.Clusters, c)
	}
	if text := get("hybrid:kubeadm"); text != "" {
		if o := newObject(json.RawMessage(text), "hybrid:kubeadm", p); o != nil {
			decodeKubeadm(o, &s.Kubeadm)
		}
	}
	s.Mesh = decodeMesh(get("hybrid:mesh"), p)
	s.Zone = decodeZone(get("hybrid:zone"), p)
	s.Federation = decodeFederation(get("hybrid:federation"), p)
	s.Postgres = decodePostgres(get("hybrid:postgres"), p)
	s.Postgres.fill(s.Clusters, s.host())
	return s
}

// decodeZone reads hybrid:zone, as decodeMesh does.
func decodeZone(text string, p *problems) ZoneSettings {
	z := ZoneSettings{Enabled: true, Domain: defaultDomain}
	if text == "" {
		return z
	}
	if o := newObject(json.RawMessage(text), "hybrid:zone", p); o != nil {
		o.into("enabled", "true or false, without quotes", &z.Enabled)
		o.into("domain", "a string", &z.Domain)
		o.into("existing", "a string", &z.Existing)
		o.done()
	}
	return z
}

// decodeMesh reads hybrid:mesh. A stack's object replaces the project's default as
// a whole, so what it leaves out is filled in here.
func decodeMesh(text string, p *problems) MeshSettings {
	m := MeshSettings{Image: defaultMeshImage, MTU: defaultMTU, InitContainer: true}
	if text == "" {
		return m
	}
	if o := newObject(json.RawMessage(text), "hybrid:mesh", p); o != nil {
		o.into("image", "a string", &m.Image)
		o.into("mtu", "a whole number, without quotes", &m.MTU)
		o.into("fastdp", "true or false, without quotes", &m.FastDatapath)
		o.into("initContainer", "true or false, without quotes", &m.InitContainer)
		o.done()
	}
	return m
}

// decodeFederation reads hybrid:federation, as decodeMesh does.
func decodeFederation(text string, p *problems) FederationSettings {
	f := FederationSettings{Replicas: 1, CertificateHours: defaultCertificateHours, RenewHours: defaultRenewHours, GraceSeconds: defaultGraceSeconds}
	if text == "" {
		return f
	}
	if o := newObject(json.RawMessage(text), "hybrid:federation", p); o != nil {
		o.into("replicas", "a whole number, without quotes", &f.Replicas)
		o.into("certificateHours", "a whole number, without quotes", &f.CertificateHours)
		o.into("renewHours", "a whole number, without quotes", &f.RenewHours)
		o.into("graceSeconds", "a whole number, without quotes", &f.GraceSeconds)
		o.into("storageClass", "a string", &f.StorageClass)
		o.into("etcdArgs", "a list of strings", &f.EtcdArgs)
		o.done()
	}
	return f
}

func decodeKubeadm(o *object, k *clouds.KubeadmOverrides) {
	documents := k.ByName()
	for _, name := range slices.Sorted(maps.Keys(documents)) {
		o.into(name, "an object", documents[name])
		*documents[name], _ = whole(*documents[name]).(map[string]any)
	}
	o.done()
}

// whole turns whole numbers, which JSON doesn't know, into integers: YAML would
// write a million as 1e+06.
func whole(v any) any {
	switch v := v.(type) {
	case float64:
		if v == float64(int64(v)) {
			return int64(v)
		}
	case []any:
		for i := range v {
			v[i] = whole(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = whole(v[k])
		}
	}
	return v
}

// list decodes a JSON list, which may be missing.
func list[T any](text, key string, p *problems) []T {
	if text == "" {
		return nil
	}
	var out []T
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		p.add(key, "expected a list, found %s", text)
	}
	return out
}

// object is a JSON object that is read key by key, so that keys that nobody has
// asked for can be told.
type object struct {
	subject string
	fields  map[string]json.RawMessage
	known   []string
	p       *problems
}

func newObject(raw json.RawMessage, subject string, p *problems) *object {
	o := &object{subject: subject, p: p}
	if err := json.Unmarshal(raw, &o.fields); err != nil || o.fields == nil {
		p.add(subject, "expected an object, found %s", raw)
		return nil
	}
	return o
}

// into decodes a field if it is there.
func (o *object) into(key, want string, v any) {
	o.known = append(o.known, key)
	raw, ok := o.fields[key]
	if !ok {
		return
	}
	if err := json.Unmarshal(raw, v); err != nil {
		o.p.add(o.subject, "%s is %s: expected %s", key, raw, want)
	}
}

func (o *object) text(key string) (s string) {
	o.into(key, "a string", &s)
	return s
}

func (o *object) number(key string, otherwise int) int {
	n := otherwise
	o.into(key, "a whole number, without quotes", &n)
	return n
}

func (o *object) truth(key string) (b bool) {
	o.into(key, "true or false, without quotes", &b)
	return b
}

func (o *object) prefix(key string) netip.Prefix {
	text := o.text(key)
	return parsePrefix(text, key+" ", o.subject, o.p)
}

// done reports the keys that nobody has asked for.
func (o *object) done() {
	for _, key := range slices.Sorted(maps.Keys(o.fields)) {
		if !slices.Contains(o.known, key) {
			o.p.add(o.subject, "unknown key %q: expected one of %s", key, strings.Join(o.known, ", "))
		}
	}
}

// parsePrefix reads an IPv4 range such as 10.10.0.0/24. Problems are about a key
// of the subject, or about the subject itself if key is empty.
func parsePrefix(text, key, subject string, p *problems) netip.Prefix {
	if text == "" {
		p.add(subject, "%smissing: set it to an IPv4 range, such as 10.10.0.0/24", key)
		return netip.Prefix{}
	}
	r, err := netip.ParsePrefix(text)
	if err != nil || !r.Addr().Is4() {
		if a, err := netip.ParseAddr(text); err == nil && a.Is4() {
			p.add(subject, "%s%s is an address: expected a range; a single address is %s/32", key, text, text)
		} else {
			p.add(subject, "%s%q: expected an IPv4 range, such as 10.10.0.0/24", key, text)
		}
		return netip.Prefix{}
	}
	if r != r.Masked() {
		p.add(subject, "%s%s is an address within a range: write the range as %s", key, text, r.Masked())
	}
	return r.Masked()
}
