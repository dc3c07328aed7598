package federation

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"hybrid/internal/mockcloud"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

func TestMember(t *testing.T) {
	r := world{}.make(t)
	spec := r.Find(t, "federation-member-london").Inputs["spec"]
	for key, want := range map[string]string{
		"syncMode": "Push", "apiEndpoint": "https://192.0.108.1:6443", "provider": "gce", "region": "lon1",
	} {
		if got := text(spec, resource.PropertyKey(key)); got != want {
			t.Errorf("%s is %s, want %s", key, got, want)
		}
	}
	// The host's nodes can't count on reaching themselves at their public addresses.
	if got := text(r.Find(t, "federation-member-america").Inputs["spec"], "apiEndpoint"); got != "https://10.10.0.2:6443" {
		t.Errorf("the host's apiEndpoint is %s, want its private address", got)
	}
	if !at(spec, "insecureSkipTLSVerification").IsNull() {
		t.Error("the member's certificate is not verified")
	}
	for key, secret := range map[string]string{"secretRef": "london", "impersonatorSecretRef": "london-impersonator"} {
		ref := at(spec, resource.PropertyKey(key))
		made := r.Find(t, "federation-credentials-"+secret).Inputs
		if text(ref, "name") != secret || text(ref, "namespace") != "karmada-cluster" || text(made["metadata"], "name") != secret {
			t.Errorf("%s: %v", key, ref)
		}
	}
	kept := at(r.Find(t, "federation-credentials-london").Inputs["data"])
	if text(kept, "caBundle") != "Q0E=" || text(kept, "token") != mockcloud.MemberToken {
		t.Errorf("kept: %v", kept)
	}
	if got := text(r.Find(t, "federation-credentials-london-impersonator").Inputs["data"], "token"); got != mockcloud.ImpersonatorToken {
		t.Errorf("kept: %v", got)
	}
}

func TestAccounts(t *testing.T) {
	r := world{}.make(t)
	for _, name := range []string{"karmada-london", "karmada-impersonator"} {
		secret := r.Find(t, "london-federation-"+name+"-token").Inputs
		if text(secret["type"]) != "kubernetes.io/service-account-token" || text(secret["metadata"], "annotations", "kubernetes.io/service-account.name") != name {
			t.Errorf("%s: %v", name, secret)
		}
	}
	// The impersonator has no rights but those that Karmada gives it.
	var bound []string
	for _, a := range r.OfType("kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding") {
		if strings.HasPrefix(a.Name, "london-federation") {
			for _, s := range list(a.Inputs["subjects"]) {
				bound = append(bound, text(s, "name"))
			}
		}
	}
	if !slices.Equal(bound, []string{"karmada-london"}) {
		t.Errorf("rights for %v", bound)
	}
}

// credentials are never quoted.
func TestCredential(t *testing.T) {
	for printed, want := range map[string]string{"Q0E=\ndG9rZW4=\naW1w\n": "", "c2VjcmV0\n": "found 1", "": "found 0"} {
		ca, err := lines(printed)
		if want == "" && (err != nil || ca[0] != "Q0E=") || want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "c2Vj")) {
			t.Errorf("%q: found %v, %v", printed, ca, err)
		}
	}
}

// A member that is created again must be looked at again, without leaving.
func TestMembershipIsUpdated(t *testing.T) {
	command := world{}.make(t).Find(t, "london-federation-membership").Inputs
	if stdin := text(command["stdin"]); !strings.Contains(stdin, "IDENTITY='london-1-init-id'") || !strings.Contains(stdin, "CLUSTER='london'") {
		t.Errorf("script:\n%s", stdin)
	}
	if got := fmt.Sprint(texts(command["triggers"])); got != "[america-1-init-id]" {
		t.Errorf("triggers %s: want the host's only", got)
	}
}
