package federation

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"hybrid/internal/identity"
	"hybrid/internal/settings"
)

// Settings are hybrid:federation.
type Settings struct {
	// Replicas is how many of each program run; etcd is always one.
	Replicas int `json:"replicas"`
	// CertificateHours is how long certificates are valid, RenewHours how long
	// before their end an update replaces them.
	CertificateHours int `json:"certificateHours"`
	RenewHours       int `json:"renewHours"`
	// GraceSeconds is for how long a member may not answer before it is shown
	// NotReady.
	GraceSeconds int `json:"graceSeconds"`
	// StorageClass is that of etcd's volume. Empty: a folder of the host's control
	// plane.
	StorageClass string `json:"storageClass"`
	// EtcdArgs are more arguments for etcd: --name=value.
	EtcdArgs []string `json:"etcdArgs"`
}

// year is in hours.
const year = 365 * 24

// DefaultSettings are what hybrid:federation leaves out.
func DefaultSettings() Settings {
	return Settings{
		Replicas:         1,
		CertificateHours: identity.CertificateHours,
		RenewHours:       identity.RenewHours,
		// Spares a member whose API only restarts.
		GraceSeconds: 10,
		EtcdArgs:     []string{},
	}
}

var etcdArg = regexp.MustCompile(`^--[a-z0-9-]+=.+$`)

// Problems says what is wrong with the settings, one line for each.
func (s Settings) Problems() []string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	// Each is a program on the host's machines; more than five help nothing.
	if s.Replicas < 1 || s.Replicas > 5 {
		add("replicas is %d: expected 1 to 5", s.Replicas)
	}
	// The authorities live for ten years.
	if s.CertificateHours < 1 || s.CertificateHours > 5*year {
		add("certificateHours is %d: expected 1 to %d, five years", s.CertificateHours, 5*year)
	}
	// If they are the same, every update renews all of them.
	if s.RenewHours < 0 || s.RenewHours > s.CertificateHours {
		add("renewHours is %d: expected 0 to certificateHours, which is %d", s.RenewHours, s.CertificateHours)
	}
	if s.GraceSeconds < 0 || s.GraceSeconds > 600 {
		add("graceSeconds is %d: expected 0 to 600", s.GraceSeconds)
	}
	if s.StorageClass != "" && !settings.StorageClass(s.StorageClass) {
		add("storageClass is %q: expected the name of one of the host's storage classes, or none to keep etcd's data in a folder of the host's control plane", s.StorageClass)
	}
	for _, arg := range s.EtcdArgs {
		if !etcdArg.MatchString(arg) {
			add("etcdArgs has %q: expected --name=value", arg)
		}
	}
	return out
}

// leastToken is the least length of a token that can't be guessed off line.
const leastToken = 16

// TokenProblem says what is wrong with hybrid:federationToken, or nothing. It is in a
// file of commas and quotes, and in HTTP headers.
func TokenProblem(token string) string {
	return settings.Secret(token, leastToken, `,"`, "spaces, commas and quotes")
}

// NameProblem says why one of several clusters can't have its name, or nothing: some
// belong to the federation.
func NameProblem(name string, clusters []string, zone ZoneSettings) string {
	if name == Context {
		return "the name belongs to the federation's own API: choose another"
	}
	// Karmada's account is named after the cluster, as is that of who speaks for others.
	if "karmada-"+name == impersonator {
		return "the name belongs to an account of the federation's in each cluster: choose another"
	}
	if other, ok := strings.CutSuffix(name, impersonatorSuffix); ok && slices.Contains(clusters, other) {
		return fmt.Sprintf("the name belongs to what the federation keeps of cluster %q: choose another", other)
	}
	if zone.Enabled && name == RecordName {
		return fmt.Sprintf("%s.%s is the name of the federation's API: choose another name, or switch the zone off", name, zone.Domain)
	}
	return ""
}
