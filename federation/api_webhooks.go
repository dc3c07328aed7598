package federation

import (
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// check is something that the webhook does with objects of one kind.
type check struct {
	// path is the last part of the webhook's, and names the check.
	path string
	// group is all before .karmada.io; resource is the kind's.
	group, resource string
	namespaced      bool
	operations      []string
}

var (
	created = []string{"CREATE"}
	written = []string{"CREATE", "UPDATE"}
)

// completions and validations are all that the webhook of Karmada 1.18 does, see
// cmd/webhook/app/webhook.go in https://github.com/karmada-io/karmada.
var (
	completions = []check{
		{"propagationpolicy", "policy", "propagationpolicies", true, written},
		{"clusterpropagationpolicy", "policy", "clusterpropagationpolicies", false, written},
		{"overridepolicy", "policy", "overridepolicies", true, written},
		{"resourcebinding", "work", "resourcebindings", true, created},
		{"clusterresourcebinding", "work", "clusterresourcebindings", false, created},
		{"work", "work", "works", true, written},
		{"federatedhpa", "autoscaling", "federatedhpas", true, written},
		{"multiclusterservice", "networking", "multiclusterservices", true, written},
	}
	validations = []check{
		{"propagationpolicy", "policy", "propagationpolicies", true, written},
		{"clusterpropagationpolicy", "policy", "clusterpropagationpolicies", false, written},
		{"overridepolicy", "policy", "overridepolicies", true, written},
		{"clusteroverridepolicy", "policy", "clusteroverridepolicies", false, written},
		{"federatedresourcequota", "policy", "federatedresourcequotas", true, written},
		{"clustertaintpolicy", "policy", "clustertaintpolicies", false, written},
		{"resourceinterpreterwebhookconfiguration", "config", "resourceinterpreterwebhookconfigurations", false, written},
		{"resourceinterpretercustomization", "config", "resourceinterpretercustomizations", false, written},
		{"multiclusteringress", "networking", "multiclusteringresses", true, written},
		{"multiclusterservice", "networking", "multiclusterservices", true, written},
		{"federatedhpa", "autoscaling", "federatedhpas", true, written},
		{"cronfederatedhpa", "autoscaling", "cronfederatedhpas", true, written},
		{"resourcebinding", "work", "resourcebindings", true, written},
	}
)

// webhookConfigurations have every object of Karmada's kinds completed and checked.
func (b *builder) webhookConfigurations() ([]pulumi.Resource, error) {
	var completing, validating pulumi.Array
	for _, c := range completions {
		completing = append(completing, b.hook("mutate", c))
	}
	for _, c := range validations {
		validating = append(validating, b.hook("validate", c))
	}
	validating = append(validating, b.protection())
	const api, name = "admissionregistration.k8s.io/v1", "karmada"
	first, err := b.object("completions", api, "MutatingWebhookConfiguration", name, kubernetes.UntypedArgs{"webhooks": completing})
	if err != nil {
		return nil, err
	}
	second, err := b.object("validations", api, "ValidatingWebhookConfiguration", name, kubernetes.UntypedArgs{"webhooks": validating})
	return []pulumi.Resource{first, second}, err
}

// hook is a check, as the API server knows it.
func (b *builder) hook(verb string, c check) pulumi.Map {
	scope := "Cluster"
	if c.namespaced {
		scope = "Namespaced"
	}
	h := b.call(c.path, verb+"-"+c.path, pulumi.Map{
		"operations": pulumi.ToStringArray(c.operations),
		"apiGroups":  pulumi.StringArray{pulumi.String(c.group + ".karmada.io")}, "apiVersions": everything,
		"resources": pulumi.StringArray{pulumi.String(c.resource)}, "scope": pulumi.String(scope),
	})
	if verb == "validate" && c.path == "resourcebinding" {
		h["sideEffects"] = pulumi.String("NoneOnDryRun") // it counts quotas
	}
	return h
}

var everything = pulumi.StringArray{pulumi.String("*")}

// protection keeps what is labelled so from being deleted.
func (b *builder) protection() pulumi.Map {
	h := b.call("resourcedeletionprotection", "validate-resourcedeletionprotection", pulumi.Map{
		"operations": pulumi.StringArray{pulumi.String("DELETE")},
		"apiGroups":  everything, "apiVersions": everything, "resources": everything, "scope": pulumi.String("*"),
	})
	h["objectSelector"] = pulumi.Map{"matchExpressions": pulumi.Array{pulumi.Map{
		"key": pulumi.String("resourcetemplate.karmada.io/deletion-protected"), "operator": pulumi.String("Exists"),
	}}}
	return h
}

// call is how the webhook is called.
func (b *builder) call(name, path string, rule pulumi.Map) pulumi.Map {
	return pulumi.Map{
		"name":  pulumi.String(name + ".karmada.io"),
		"rules": pulumi.Array{rule},
		"clientConfig": pulumi.Map{
			"url": pulumi.String(webhookURL + path), "caBundle": bundle(b.pki.authority.Cert),
		},
		// What isn't checked isn't taken.
		"failurePolicy":           pulumi.String("Fail"),
		"sideEffects":             pulumi.String("None"),
		"admissionReviewVersions": pulumi.ToStringArray([]string{"v1"}),
		"timeoutSeconds":          pulumi.Int(10),
	}
}
