// Package mockcloud stands in for the engine and all clouds in unit tests.
package mockcloud

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// What must never be seen in plain text.
const (
	PrivateKey = "-----BEGIN OPENSSH PRIVATE KEY----- sesame"
	Token      = "abcdef.0123456789abcdef"
	ClientKey  = "Y2xpZW50IGtleQ=="
	Password   = "correct-horse-battery-staple"
	SecretKey  = "wJalrXUtnFEMI-of-a-bucket"
	PrivatePEM = "-----BEGIN EC PRIVATE KEY----- sesame"
	// MemberToken and ImpersonatorToken are a federation's in its members.
	MemberToken       = "bWVtYmVyIHRva2Vu"
	ImpersonatorToken = "aW1wZXJzb25hdG9yIHRva2Vu"
	// AccountToken is that of any service account, in base64.
	AccountToken = "YWNjb3VudCB0b2tlbg=="
)

// CAHash is the hash of the clusters' authority.
var CAHash = "sha256:" + strings.Repeat("ab", 32)

// AdminConf is what kubeadm writes.
const AdminConf = `apiVersion: v1
kind: Config
clusters:
- name: kubernetes
  cluster:
    certificate-authority-data: Q0E=
    server: https://10.10.0.2:6443
users:
- name: kubernetes-admin
  user:
    client-certificate-data: Y2VydA==
    client-key-data: ` + ClientKey + `
contexts:
- name: kubernetes-admin@kubernetes
  context:
    cluster: kubernetes
    user: kubernetes-admin
current-context: kubernetes-admin@kubernetes
`

// Record stands in for the engine and the clouds, and remembers what was asked.
type Record struct {
	// Preview leaves unknown what a preview doesn't know, as far as mocks can:
	// they can't bear unknown secrets.
	Preview bool
	// Former is the stack as it was before; an empty one has never been.
	Former Former
	// Made is what was asked for, by name and type: "london-1 aws:ec2/…".
	Made map[string]pulumi.MockResourceArgs

	mu sync.Mutex
}

// Former is what the engine knows of a stack: its outputs, and those of its resources
// by name and type, as in Made.
type Former struct {
	Outputs   map[string]any
	Resources map[string]map[string]any
}

// Run runs a program with the stack's config, as pulumi up or preview does.
func Run(preview bool, config map[string]string, program pulumi.RunFunc) (*Record, error) {
	return RunAfter(Former{}, preview, config, program)
}

// RunAfter is Run, where values that begin with "secret" are, for a stack that has been there before.
func RunAfter(former Former, preview bool, config map[string]string, program pulumi.RunFunc) (*Record, error) {
	r := &Record{Preview: preview, Former: former, Made: map[string]pulumi.MockResourceArgs{}}
	err := pulumi.RunErr(program, pulumi.WithMocks("hybrid", "test", r), func(i *pulumi.RunInfo) {
		i.DryRun, i.Config = preview, config
		for key, value := range config {
			if strings.HasPrefix(value, "secret") {
				i.ConfigSecretKeys = append(i.ConfigSecretKeys, key)
			}
		}
	})
	return r, err
}

// NewResource implements pulumi.MockResourceMonitor.
func (r *Record) NewResource(a pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	r.mu.Lock()
	r.Made[a.Name+" "+a.TypeToken] = a
	r.mu.Unlock()
	out := a.Inputs.Copy()
	set := func(k, v string) { out[resource.PropertyKey(k)] = resource.NewProperty(v) }
	id := a.Name + "-id"
	switch a.TypeToken {
	case "tls:index/privateKey:PrivateKey":
		set("publicKeyOpenssh", "ssh-ed25519 AAAA\n")
		out["privateKeyOpenssh"] = resource.MakeSecret(resource.NewProperty(PrivateKey))
		set("publicKeyPem", "PUBLIC "+a.Name)
		out["privateKeyPem"] = resource.MakeSecret(resource.NewProperty(PrivatePEM + a.Name))
	case "tls:index/selfSignedCert:SelfSignedCert", "tls:index/locallySignedCert:LocallySignedCert":
		set("certPem", "CERTIFICATE "+a.Name)
		set("validityEndTime", "2030-01-01T12:00:00+02:00")
	case "tls:index/certRequest:CertRequest":
		set("certRequestPem", "REQUEST "+a.Name)
	case "digitalocean:index/tag:Tag":
		set("name", a.Name)
	case "digitalocean:index/sshKey:SshKey":
		set("fingerprint", "00:11")
	case "digitalocean:index/reservedIp:ReservedIp":
		set("ipAddress", Address(a.Name))
	case "digitalocean:index/droplet:Droplet":
		id = "4711"
		// Active before its networks are known, as it happens.
		set("ipv4Address", "")
		set("ipv4AddressPrivate", "")
	case "aws:ec2/keyPair:KeyPair":
		set("keyName", a.Name)
	case "aws:ec2/eip:Eip":
		set("publicIp", Address(a.Name))
		set("allocationId", "eipalloc-1")
	case "aws:ec2/instance:Instance":
		set("privateIp", "10.10.0.2")
	case "gcp:compute/address:Address":
		set("address", Address(a.Name))
	case "gcp:compute/instance:Instance":
		// The ID is made of names; this number is the machine's own.
		set("instanceId", "1234567890")
		nic := a.Inputs["networkInterfaces"].ArrayValue()[0].ObjectValue().Copy()
		nic["networkIp"] = resource.NewProperty("10.10.0.2")
		out["networkInterfaces"] = resource.NewProperty([]resource.PropertyValue{resource.NewProperty(nic)})
	case "gcp:dns/managedZone:ManagedZone":
		set("name", a.Name+"-1234567")
		out["nameServers"] = resource.NewPropertyValue([]any{"ns-cloud-a1.googledomains.com.", "ns-cloud-a2.googledomains.com."})
	case "aws:s3/bucketV2:BucketV2":
		set("bucket", a.Name+"-1234567")
	case "aws:iam/user:User":
		set("name", a.Name+"-1234567")
	case "aws:iam/accessKey:AccessKey":
		out["secret"] = resource.MakeSecret(resource.NewProperty(SecretKey))
	case "gcp:storage/bucket:Bucket":
		set("name", a.Name+"-1234567")
	case "gcp:serviceaccount/account:Account":
		set("email", a.Inputs["accountId"].StringValue()+"@lab.iam.gserviceaccount.com")
		set("member", "serviceAccount:"+a.Inputs["accountId"].StringValue()+"@lab.iam.gserviceaccount.com")
	case "gcp:storage/hmacKey:HmacKey":
		set("accessId", "GOOG1")
		out["secret"] = resource.MakeSecret(resource.NewProperty(SecretKey))
	case "digitalocean:index/spacesBucket:SpacesBucket":
		set("name", a.Name+"-1234567")
	case "digitalocean:index/spacesKey:SpacesKey":
		set("accessKey", "DO1"+a.Name)
		out["secretKey"] = resource.MakeSecret(resource.NewProperty(SecretKey))
	case "random:index/randomPassword:RandomPassword":
		out["result"] = resource.MakeSecret(resource.NewProperty(Password))
	case "kubernetes:core/v1:Secret":
		if t := a.Inputs["type"]; t.IsString() && t.StringValue() == "kubernetes.io/service-account-token" {
			out["data"] = resource.MakeSecret(resource.NewPropertyValue(map[string]any{"ca.crt": "Q0E=", "token": AccountToken}))
		}
	case "command:remote:Command":
		switch {
		case strings.HasSuffix(a.Name, "-reachable"):
			set("stdout", "")
		case strings.HasSuffix(a.Name, "-federation-credentials"):
			set("stdout", "Q0E=\n"+MemberToken+"\n"+ImpersonatorToken+"\n")
		case strings.HasSuffix(a.Name, "-addresses"):
			set("stdout", Address(strings.TrimSuffix(a.Name, "-addresses")+"-egress")+" 10.10.0.2")
		case strings.HasSuffix(a.Name, "-first-contact"):
			set("stdout", "ssh-ed25519 HOST")
		case strings.HasSuffix(a.Name, "-admin-conf"):
			set("stdout", AdminConf)
		case strings.HasSuffix(a.Name, "-token"):
			set("stdout", "kubeadm join 10.10.0.2:6443 --token "+Token+" --discovery-token-ca-cert-hash "+CAHash)
		}
	}
	if metadata := At(out["metadata"]); strings.HasPrefix(a.TypeToken, "kubernetes:") && metadata.IsObject() {
		made := metadata.ObjectValue().Copy()
		made["uid"], made["resourceVersion"], made["generation"] = resource.NewProperty(a.Name+"-uid"), resource.NewProperty("1"), resource.NewProperty(1.0)
		out["metadata"] = resource.NewProperty(made)
	}
	// An access key's is part of a secret.
	if r.Preview && a.TypeToken != "aws:iam/accessKey:AccessKey" {
		id = ""
	}
	return id, out, nil
}

// Address is what the clouds give to london-1-address, or to the machine london-1
// itself: 192.0.<first letter>.<number>, and of what a droplet shows to others
// (london-1-egress) the number is higher by 100.
func Address(name string) string {
	parts := strings.Split(name, "-")
	number := 0
	for _, p := range parts {
		if n, err := strconv.Atoi(p); err == nil {
			number = n
		}
	}
	if parts[len(parts)-1] == "egress" {
		number += 100
	}
	return fmt.Sprintf("192.0.%d.%d", name[0], number)
}

// ExistingZone is the domain of the managed zones that there are, whatever their
// names: one is private.
const (
	ExistingZone = "example.org"
	PrivateZone  = "private"
)

// Call implements pulumi.MockResourceMonitor: it finds an AMI, a managed zone, or the
// stack as it was.
func (r *Record) Call(a pulumi.MockCallArgs) (resource.PropertyMap, error) {
	switch a.Token {
	case "pulumi:pulumi:readStackOutputs":
		return resource.NewPropertyMapFromMap(map[string]any{"outputs": r.Former.Outputs}), nil
	case "pulumi:pulumi:readStackResourceOutputs":
		all := map[string]any{}
		for key, outputs := range r.Former.Resources {
			name, token, _ := strings.Cut(key, " ")
			all["urn:pulumi:test::hybrid::"+token+"::"+name] = map[string]any{"type": token, "outputs": outputs}
		}
		return resource.NewPropertyMapFromMap(map[string]any{"outputs": all}), nil
	}
	if a.Token == "gcp:dns/getManagedZone:getManagedZone" {
		out := a.Args.Copy()
		out["dnsName"] = resource.NewProperty(ExistingZone + ".")
		out["nameServers"] = resource.NewPropertyValue([]any{"ns-cloud-b1.googledomains.com."})
		out["visibility"] = resource.NewProperty("public")
		if a.Args["name"].StringValue() == PrivateZone {
			out["visibility"] = resource.NewProperty("private")
		}
		return out, nil
	}
	return resource.NewPropertyMapFromMap(map[string]any{"id": "ami-1"}), nil
}

// Find returns the one resource of a name, whatever its type.
func (r *Record) Find(t *testing.T, name string) pulumi.MockResourceArgs {
	t.Helper()
	var found []pulumi.MockResourceArgs
	for k, a := range r.Made {
		if strings.HasPrefix(k, name+" ") {
			found = append(found, a)
		}
	}
	if len(found) != 1 {
		t.Fatalf("found %d resources named %s, want 1", len(found), name)
	}
	return found[0]
}

// OfType returns the resources of a type by name.
func (r *Record) OfType(token string) map[string]pulumi.MockResourceArgs {
	out := map[string]pulumi.MockResourceArgs{}
	for _, a := range r.Made {
		if a.TypeToken == token {
			out[a.Name] = a
		}
	}
	return out
}

// cutLast is strings.Cut at the last separator: a provider is referred to by URN::ID.
func cutLast(s, separator string) (before, after string, found bool) {
	if i := strings.LastIndex(s, separator); i >= 0 {
		return s[:i], s[i+len(separator):], true
	}
	return s, "", false
}

// Needs says whether a resource must exist before another is made.
func (r *Record) Needs(name, other string) bool {
	seen := map[string]bool{}
	var walk func(name string) bool
	walk = func(name string) bool {
		if seen[name] {
			return false
		}
		seen[name] = true
		for k, a := range r.Made {
			if !strings.HasPrefix(k, name+" ") {
				continue
			}
			needs := a.RegisterRPC.GetDependencies()
			if provider, _, ok := cutLast(a.RegisterRPC.GetProvider(), "::"); ok {
				needs = append(slices.Clone(needs), provider)
			}
			for _, urn := range needs {
				if dep := resource.URN(urn).Name(); dep == other || walk(dep) {
					return true
				}
			}
		}
		return false
	}
	return walk(name)
}
