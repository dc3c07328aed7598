package clouds

import (
	"encoding/base64"
	"errors"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// kubeconfig is the part of a kubeconfig file that clusters here need; see
// https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/.
type kubeconfig struct {
	APIVersion     string         `yaml:"apiVersion"`
	Kind           string         `yaml:"kind"`
	Clusters       []namedCluster `yaml:"clusters"`
	Users          []namedUser    `yaml:"users"`
	Contexts       []namedContext `yaml:"contexts"`
	CurrentContext string         `yaml:"current-context"`
}

type namedCluster struct {
	Name    string `yaml:"name"`
	Cluster struct {
		Server string `yaml:"server"`
		CA     string `yaml:"certificate-authority-data"`
	} `yaml:"cluster"`
}

type namedUser struct {
	Name string `yaml:"name"`
	User struct {
		Certificate string `yaml:"client-certificate-data,omitempty"`
		Key         string `yaml:"client-key-data,omitempty"`
		Token       string `yaml:"token,omitempty"`
	} `yaml:"user"`
}

type namedContext struct {
	Name    string `yaml:"name"`
	Context struct {
		Cluster string `yaml:"cluster"`
		User    string `yaml:"user"`
	} `yaml:"context"`
}

// AdminKubeconfig turns kubeadm's admin.conf into the kubeconfig of a cluster
// for use from outside: cluster, user and context get the cluster's name, and
// the server is the control plane's public address. The certificate authority
// stays: the server's certificate names that address.
func AdminKubeconfig(name, adminConf, publicAddress string) (string, error) {
	k, err := parseKubeconfig(adminConf)
	if err != nil {
		return "", fmt.Errorf("admin.conf of %q: %w", name, err)
	}
	if len(k.Clusters) != 1 || len(k.Users) != 1 {
		return "", fmt.Errorf("admin.conf of %q: expected one cluster and one user, found %d and %d", name, len(k.Clusters), len(k.Users))
	}
	cluster, user := k.Clusters[0], k.Users[0]
	if cluster.Cluster.CA == "" {
		return "", fmt.Errorf("admin.conf of %q: expected certificate-authority-data, found none", name)
	}
	cluster.Name, user.Name = name, name
	cluster.Cluster.Server = fmt.Sprintf("https://%s:%d", publicAddress, APIPort)
	context := namedContext{Name: name}
	context.Context.Cluster, context.Context.User = name, name
	return writeKubeconfig(kubeconfig{
		Clusters: []namedCluster{cluster}, Users: []namedUser{user}, Contexts: []namedContext{context},
		CurrentContext: name,
	})
}

// Credentials are what a user of a kubeconfig proves itself by: a token, or a
// certificate and its key, both PEM.
type Credentials struct{ Token, Certificate, Key string }

// NewKubeconfig makes a kubeconfig in which cluster, user and context have the same
// name. ca is the server's certificate authority, PEM.
func NewKubeconfig(name, server, ca string, user Credentials) (string, error) {
	if ca == "" || user.Token == "" && (user.Certificate == "" || user.Key == "") {
		return "", fmt.Errorf("kubeconfig %q: expected a certificate authority, and a token or a certificate with its key; found too little", name)
	}
	encode := func(pem string) string { return base64.StdEncoding.EncodeToString([]byte(pem)) }
	cluster, admin, context := namedCluster{Name: name}, namedUser{Name: name}, namedContext{Name: name}
	cluster.Cluster.Server, cluster.Cluster.CA = server, encode(ca)
	admin.User.Token, admin.User.Certificate, admin.User.Key = user.Token, encode(user.Certificate), encode(user.Key)
	context.Context.Cluster, context.Context.User = name, name
	return writeKubeconfig(kubeconfig{
		Clusters: []namedCluster{cluster}, Users: []namedUser{admin}, Contexts: []namedContext{context},
		CurrentContext: name,
	})
}

// MergeKubeconfigs makes one file of several with all their contexts. The
// current context is the first file's.
func MergeKubeconfigs(files []string) (string, error) {
	if len(files) == 0 {
		return "", errors.New("merging kubeconfigs: expected at least one, found none")
	}
	var all kubeconfig
	seen := map[string]bool{}
	for i, f := range files {
		k, err := parseKubeconfig(f)
		if err != nil {
			return "", fmt.Errorf("merging kubeconfigs: number %d: %w", i+1, err)
		}
		for _, c := range k.Contexts {
			if seen[c.Name] {
				return "", fmt.Errorf("merging kubeconfigs: context %q is there twice: give each cluster a name of its own", c.Name)
			}
			seen[c.Name] = true
		}
		all.Clusters = append(all.Clusters, k.Clusters...)
		all.Users = append(all.Users, k.Users...)
		all.Contexts = append(all.Contexts, k.Contexts...)
		if i == 0 {
			all.CurrentContext = k.CurrentContext
		}
	}
	return writeKubeconfig(all)
}

// parseKubeconfig never quotes its input in errors: it is secret.
func parseKubeconfig(text string) (kubeconfig, error) {
	var k kubeconfig
	if yaml.Unmarshal([]byte(text), &k) != nil || k.Kind != "Config" {
		return k, fmt.Errorf("expected a kubeconfig (kind: Config), found %d characters of something else", len(text))
	}
	return k, nil
}

func writeKubeconfig(k kubeconfig) (string, error) {
	k.APIVersion, k.Kind = "v1", "Config"
	out, err := yaml.Marshal(k)
	return string(out), err
}
