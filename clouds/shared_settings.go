package clouds

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Shared are the settings of all clusters together.
type Shared struct {
	// AdminCIDRs may use SSH and the Kubernetes APIs.
	AdminCIDRs []netip.Prefix `json:"adminCidrs"`
	// KubernetesVersion is exact, as kubeadm prints it: v1.35.4. A cluster may have
	// one of its own.
	KubernetesVersion string `json:"kubernetesVersion"`
	// PodCIDR holds the pods of every cluster of the mesh.
	PodCIDR netip.Prefix `json:"podCidr"`
	// RegistryMirror serves every container image, if it is set:
	// http(s)://host[:port].
	RegistryMirror string `json:"registryMirror"`
	// PackageMirror serves the packages of Kubernetes as https://pkgs.k8s.io does, if
	// it is set: http(s)://host[:port].
	PackageMirror string `json:"packageMirror"`
	// Kubeadm is merged over the generated kubeadm documents.
	Kubeadm KubeadmOverrides `json:"kubeadm"`
}

// DefaultShared are the settings where a stack has no others. It must say who may use
// the clusters.
func DefaultShared() Shared {
	return Shared{
		AdminCIDRs:        []netip.Prefix{},
		KubernetesVersion: "v1.35.4",
		PodCIDR:           netip.MustParsePrefix("10.32.0.0/12"),
	}
}

// Problems says what is wrong with the settings, by key.
func (s Shared) Problems() map[string][]string {
	out := map[string][]string{
		"podCidr":    rangeProblems("", s.PodCIDR, 8, 20),
		"adminCidrs": adminProblems(s.AdminCIDRs),
		"kubeadm":    s.Kubeadm.Problems(),
	}
	if problem := versionProblem(s.KubernetesVersion); problem != "" {
		out["kubernetesVersion"] = []string{problem}
	}
	for key, m := range s.mirrors() {
		if problem := mirrorProblem(m); problem != "" {
			out[key] = []string{problem}
		}
	}
	return out
}

// mirrors are those that machines ask, by key.
func (s Shared) mirrors() map[string]string {
	return map[string]string{"registryMirror": s.RegistryMirror, "packageMirror": s.PackageMirror}
}

func mirrorProblem(text string) string {
	if text != "" && !mirrorURL(text) {
		return fmt.Sprintf("found %q: expected http:// or https://, a host and perhaps a port, nothing else, such as https://mirror.example.org:5000", text)
	}
	if a := mirrorAddress(text); a.IsLoopback() || a.IsUnspecified() {
		return fmt.Sprintf("found %q: each machine would ask itself, and has nothing: expected an address that all machines reach", text)
	}
	return ""
}

func adminProblems(ranges []netip.Prefix) []string {
	if len(ranges) == 0 {
		return []string{"found none, so that the clusters could not be reached: list the networks that you come from, such as 198.51.100.7/32"}
	}
	var out []string
	for i, r := range ranges {
		if !r.IsValid() {
			continue
		}
		if slices.Contains(ranges[:i], r) {
			out = append(out, fmt.Sprintf("%s is there twice: remove one", r))
		}
	}
	if n := addresses(ranges); n > mostAddresses {
		out = append(out, fmt.Sprintf("together they are %d %% of all addresses, to which SSH and the Kubernetes APIs would be open: list only the networks that you come from", 100*n>>32))
	}
	return out
}

// mostAddresses may be those of administrators: 16 of the largest networks that
// were ever given away, a sixteenth of all addresses.
const mostAddresses = 16 << 24

// addresses is how many are in ranges, each once: of two ranges that overlap, one
// is within the other.
func addresses(ranges []netip.Prefix) (n uint64) {
	for i, r := range ranges {
		counted := !r.IsValid()
		for j, other := range ranges {
			if other.IsValid() && r.IsValid() && other.Overlaps(r) && (other.Bits() < r.Bits() || other == r && j < i) {
				counted = true
			}
		}
		if !counted {
			n += 1 << (32 - r.Bits())
		}
	}
	return n
}

func mirrorURL(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return false
	}
	// A colon with nothing behind it is a port of no number.
	if n, err := strconv.Atoi(u.Port()); (u.Port() != "" || strings.HasSuffix(u.Host, ":")) && (err != nil || n < 1 || n > 65535) {
		return false
	}
	// Whatever else a URL may hold gets lost when it is put together again.
	// Quotes and backslashes can't be in a host, so it is safe in a TOML file.
	return text == u.Scheme+"://"+u.Host && !strings.ContainsAny(u.Host, "\"'\\ ")
}

// MirrorAddresses are those of the mirrors that go by one and not by a name, by key.
func (s Shared) MirrorAddresses() map[string]netip.Addr {
	out := map[string]netip.Addr{}
	for key, m := range s.mirrors() {
		if a := mirrorAddress(m); a.IsValid() {
			out[key] = a
		}
	}
	return out
}

func mirrorAddress(text string) netip.Addr {
	u, err := url.Parse(text)
	if err != nil {
		return netip.Addr{}
	}
	a, _ := netip.ParseAddr(u.Hostname())
	if u.Hostname() == "localhost" {
		a = netip.IPv6Loopback()
	}
	return a
}
