package registry

import (
	"embed"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Kubernetes is the version of the images, and thereby of the clusters in the lab.
// The others are those that kubeadm of this version asks for.
const (
	Kubernetes = "v1.35.4"
	etcd       = "3.6.6-0"
	coreDNS    = "v1.13.1"
	pause      = "3.10.1" // containerd's configuration in the machines' image says so too
)

// NextKubernetes is the version to which tests upgrade clusters, with those that kubeadm of
// that version asks for.
const (
	NextKubernetes = "v1.36.5"
	nextEtcd       = "3.6.8-0"
	nextCoreDNS    = "v1.14.2"
	nextPause      = "3.10.2"
)

// Karmada is the version of the images of the federation's control plane.
const Karmada = "v1.18.1"

// weaveKube is the image that clusters get by default. In the lab it holds Weave
// 2.6.5, the newest that can be had as a Go module, with scripts of the lab's own that
// understand the same arguments and environment.
const weaveKube = "docker.io/rajchaudhuri/weave-kube:2.9.0"

// postgres and haproxy are the images that the stack dev gives its database. In the
// lab they hold what Debian has of it, with the same user, and in the same places.
const (
	postgres = "docker.io/percona/percona-distribution-postgresql:17.10-1"
	haproxy  = "docker.io/library/haproxy:3.0.12"
)

// etc has the users of the image of PostgreSQL.
//
//go:embed etc
var etc embed.FS

//go:embed weave
var weaveScripts embed.FS

// Tools is the name of an image that exists in the lab only: a shell and programs
// that look at networks.
const Tools = "hybrid.test/tools:1"

// hybrid is the image that the stack dev gives hybrid:monitoring. `make image` makes
// such an image.
const hybrid = "hybrid.test/hybrid:1"

// Inputs are the files that the images are made of.
type Inputs struct {
	Kube      string // path of the multi-call binary of Kubernetes and etcd
	NextKube  string // path of that of NextKubernetes; empty: no images of it
	CoreDNS   string // path of CoreDNS
	Karmada   string // path of the multi-call binary of Karmada's control plane
	Pause     string // path of the program that holds a pod's namespaces
	Weaver    string // path of Weave's router
	WeaveUtil string // path of Weave's CNI plugin and tools
	KubeUtils string // path of Weave's tools for Kubernetes
	Server    string // path of the registry's own program
	S3        string // path of the S3 server
	Hybrid    string // path of the command that looks at hybrid clouds
	VMImage   string // reference of the machines' image, as image.Ensure returned it
	// DatabaseImage is that of image.EnsureDatabase.
	DatabaseImage string
}

// Image is what the lab serves under an upstream name. Layers with the same inputs
// are made, kept and pulled once.
type Image struct {
	Name   string // with registry and tag, such as docker.io/library/postgres:18
	Layers []Layer
	Config v1.Config
}

// searchPath is that of the upstream images: pods name programs without a folder.
var searchPath = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}

// karmadaPrograms are those of Karmada's control plane. Each has an image of its name.
var karmadaPrograms = []string{
	"karmada-aggregated-apiserver", "karmada-controller-manager", "karmada-scheduler", "karmada-webhook",
}

// postgresPath is where the image has PostgreSQL's programs.
const postgresPath = "/usr/pgsql-17/bin"

// images lists all that the lab serves.
func images(in Inputs) []Image {
	// What kube-proxy calls, with the extensions that iptables loads.
	netfilter := Programs{Image: in.VMImage, Names: []string{
		"conntrack", "nft", "iptables", "iptables-save", "iptables-restore",
		"ip6tables", "ip6tables-save", "ip6tables-restore", "/usr/lib/x86_64-linux-gnu/xtables",
	}}
	// What Weave and its scripts call, and what looks around in its pods.
	shell := Programs{Image: in.VMImage, Names: []string{
		"/bin/sh", "cat", "cmp", "cp", "curl", "grep", "ip", "ipset", "ln", "mkdir", "mv", "rm", "sed", "sleep",
	}}
	// For pods of tests, which look at the network from within, and draw on terminals.
	tools := Programs{Image: in.VMImage, Names: []string{
		"/bin/sh", "awk", "cat", "curl", "date", "dd", "env", "getent", "head", "ip", "nc", "ping",
		"sha256sum", "sh", "sleep", "socat", "ss", "top", "tr", "vi", "wc", "yes", "/lib/terminfo/x/xterm-256color",
	}}
	karmada := Binary{Path: "/bin/karmada", Source: in.Karmada, Links: karmadaPrograms}
	// PostgreSQL with the time zones that are asked for most, Patroni, and what their
	// scripts call. Names with slashes are also the shell's own, or would not be found.
	database := Programs{Image: in.DatabaseImage, Names: []string{
		"/usr/pgsql-17/lib", "/usr/share/postgresql/17",
		"/usr/share/zoneinfo/UTC", "/usr/share/zoneinfo/Etc", "/usr/share/zoneinfo/Europe", "/usr/share/zoneinfo/America",
		"/usr/bin/python3", "/usr/lib/python3.13", "/usr/lib/python3", "patroni", "patronictl", "pgbackrest",
		"/bin/sh", "sh", "/usr/bin/test", "cat", "chmod", "chown", "cksum", "cut", "date", "grep", "head", "id", "ln", "ls", "mkdir",
		"mktemp", "mv", "rm", "sed", "sleep", "sync", "tail", "timeout", "tr", "wc",
	}}
	for _, program := range []string{
		"initdb", "pg_basebackup", "pg_controldata", "pg_ctl", "pg_dump", "pg_isready", "pg_rewind", "pg_waldump", "pgbench", "postgres", "psql",
	} {
		database.Names = append(database.Names, postgresPath+"/"+program)
	}
	call := func(program string) v1.Config {
		return v1.Config{Entrypoint: []string{program}, Env: searchPath}
	}
	// kubernetes are the images that kubeadm of a version asks for.
	kubernetes := func(version, program, etcd, coreDNS, pause string) []Image {
		kube := Binary{
			Path: "/usr/local/bin/kube", Source: program,
			Links: []string{"etcd", "etcdctl", "etcdutl", "kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler"},
		}
		return []Image{
			{"registry.k8s.io/kube-apiserver:" + version, []Layer{kube}, call("kube-apiserver")},
			{"registry.k8s.io/kube-controller-manager:" + version, []Layer{kube}, call("kube-controller-manager")},
			{"registry.k8s.io/kube-scheduler:" + version, []Layer{kube}, call("kube-scheduler")},
			{"registry.k8s.io/kube-proxy:" + version, []Layer{kube, netfilter}, call("kube-proxy")},
			{"registry.k8s.io/etcd:" + etcd, []Layer{kube}, call("etcd")},
			{"registry.k8s.io/coredns/coredns:" + coreDNS, []Layer{Binary{Path: "/coredns", Source: in.CoreDNS}}, call("/coredns")},
			{"registry.k8s.io/pause:" + pause, []Layer{Binary{Path: "/pause", Source: in.Pause}},
				v1.Config{Entrypoint: []string{"/pause"}, Env: searchPath, User: "65535:65535"}},
		}
	}
	images := kubernetes(Kubernetes, in.Kube, etcd, coreDNS, pause)
	if in.NextKube != "" {
		// One CoreDNS for both: the lab has the older one.
		images = append(images, kubernetes(NextKubernetes, in.NextKube, nextEtcd, nextCoreDNS, nextPause)...)
	}
	images = append(images, []Image{
		{weaveKube, []Layer{
			netfilter, shell,
			Binary{Path: "/home/weave/weaver", Source: in.Weaver},
			Binary{Path: "/home/weave/kube-utils", Source: in.KubeUtils},
			Binary{Path: "/usr/bin/weaveutil", Source: in.WeaveUtil},
			Scripts{Path: "/home", Files: weaveScripts},
		}, v1.Config{Entrypoint: []string{"/home/weave/launch.sh"}, Env: searchPath, WorkingDir: "/home/weave"}},
		{postgres, []Layer{database, Scripts{Path: "/", Files: etc}},
			v1.Config{Entrypoint: []string{"postgres"}, Env: []string{searchPath[0] + ":" + postgresPath}, User: "26"}},
		{haproxy, []Layer{Programs{Image: in.DatabaseImage, Names: []string{"haproxy"}}}, call("haproxy")},
		{hybrid, []Layer{Binary{Path: "/hybrid", Source: in.Hybrid}}, call("/hybrid")},
		{Tools, []Layer{tools}, v1.Config{Entrypoint: []string{"sh"}, Env: searchPath}},
	}...)
	for _, name := range karmadaPrograms {
		// Upstream's have no entrypoint: pods name the program.
		images = append(images, Image{"docker.io/karmada/" + name + ":" + Karmada, []Layer{karmada}, v1.Config{Env: searchPath}})
	}
	return images
}
