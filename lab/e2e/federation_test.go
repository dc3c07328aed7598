package e2e

import (
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"hybrid/lab/registry"
)

// TestFederation goes through the life of a federation: each part needs the one
// before.
func TestFederation(t *testing.T) {
	l := adopt(t)
	l.steps(t, []part{
		{name: "up", run: federationUp},
		{name: "who may do what", run: whoMay},
		{name: "replicas are divided by weight", run: divided},
		{name: "a pod of its own", run: ownPod},
		{name: "a service of another cluster", run: crossCluster},
		{name: "the control plane dies bit by bit", run: federationSurvives},
		{name: "certificates are renewed", run: renewed, long: true},
	})
	l.leave()
}

func federationUp(l *lab) {
	l.standing()
	// Not eventually: pulumi up has waited for it.
	if err := l.membersReady("london", "frankfurt", "america"); err != nil {
		l.Error(err)
	}
	out, err := l.kubectl("get", "clusters")
	if err != nil {
		l.Fatal(err)
	}
	fmt.Println(out)
	for cluster := range want {
		if !strings.Contains(out, cluster) {
			l.Errorf("kubectl get clusters doesn't list %s", cluster)
		}
	}
}

func whoMay(l *lab) {
	review, err := l.cluster(federation).AuthenticationV1().SelfSubjectReviews().Create(l.ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		l.Fatal(err)
	}
	if user := review.Status.UserInfo; user.Username != "admin" || !slices.Contains(user.Groups, "system:masters") {
		l.Errorf("the token is %s's, of %v; want admin's, of system:masters", user.Username, user.Groups)
	}
	access, err := l.cluster(federation).AuthorizationV1().SelfSubjectAccessReviews().Create(l.ctx, &authorizationv1.SelfSubjectAccessReview{
		Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "*", Group: "*", Resource: "*"}},
	}, metav1.CreateOptions{})
	if err != nil || !access.Status.Allowed {
		l.Errorf("the administrator may not do all: %v", err)
	}
	for name, test := range map[string]struct {
		change  func(*rest.Config)
		refused func(error) bool
	}{
		"no token":      {func(c *rest.Config) { c.BearerToken = "" }, apierrors.IsUnauthorized},
		"a wrong token": {func(c *rest.Config) { c.BearerToken = strings.Repeat("x", len(c.BearerToken)) }, apierrors.IsUnauthorized},
		"no CA": {func(c *rest.Config) { c.CAData = nil }, func(err error) bool {
			var unknown x509.UnknownAuthorityError
			return errors.As(err, &unknown)
		}},
	} {
		config := l.connection(federation)
		test.change(config)
		client, err := kubernetes.NewForConfig(config)
		if err != nil {
			l.Fatal(err)
		}
		if _, err := client.CoreV1().Namespaces().List(l.ctx, metav1.ListOptions{}); err == nil || !test.refused(err) {
			l.Errorf("with %s: got %v; want to be refused", name, err)
		}
	}
}

// twoToOne is the seed's division of replicas: of six, four and two.
var twoToOne = map[string]int64{"frankfurt": 2, "london": 1}

func divided(l *lab) {
	start := time.Now()
	l.place(idle("divided", 6), twoToOne)
	l.spread("divided", map[string]int{"frankfurt": 4, "london": 2})
	fmt.Printf("--- six replicas run after %s\n", time.Since(start).Round(100*time.Millisecond))
	start = time.Now()
	l.remove("divided")
	fmt.Printf("--- they are gone after %s\n", time.Since(start).Round(100*time.Millisecond))
}

// ownPod places a pod that belongs to no set. It is let in only if the federation has an
// account for it, and has the token of the member's account of that name.
func ownPod(l *lab) {
	const name, objects = "own", `
apiVersion: policy.karmada.io/v1alpha1
kind: PropagationPolicy
metadata: {name: own}
spec:
  resourceSelectors: [{apiVersion: v1, kind: Pod, name: own}]
  placement: {clusterAffinity: {clusterNames: [london]}}
---
apiVersion: v1
kind: Pod
metadata: {name: own, labels: {app: own}}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: main, image: ` + registry.Tools + `, command: [sleep, infinity]}]
`
	if _, err := l.kube(objects, federation, "apply", "-f", "-"); err != nil {
		l.Fatal(err)
	}
	l.eventually(placing, func() error {
		pods, err := l.running("london", name)
		if err == nil && len(pods) != 1 {
			err = fmt.Errorf("london runs %d pods %s, want one", len(pods), name)
		}
		return err
	})
	// The member would give it one by itself, too.
	for _, api := range []string{federation, "london"} {
		account, err := l.kube("", api, "get", "pod", name, "-o", "jsonpath={.spec.serviceAccountName}")
		if err != nil || account != "default" {
			l.Errorf("%s: the pod has the account %q, want default: %v", api, account, err)
		}
	}
	if token, err := l.kube("", "london", "exec", name, "--", "cat", "/var/run/secrets/kubernetes.io/serviceaccount/token"); err != nil || token == "" {
		l.Errorf("the pod has no token of its account: %v", err)
	}
	if _, err := l.kube(objects, federation, "delete", "-f", "-"); err != nil {
		l.Fatal(err)
	}
	l.eventually(placing, func() error {
		pods, err := l.running("london", name)
		if err == nil && len(pods) > 0 {
			err = fmt.Errorf("london still runs the pod %s", name)
		}
		return err
	})
}

// crossCluster asks a service that runs in london from frankfurt. The answer says
// whom the server has spoken to: addresses of pods, which nothing but the mesh
// takes from one cloud to another.
func crossCluster(l *lab) {
	const name, port = "hello", 7000
	l.place(serving(name, port), map[string]int64{"london": 1})
	l.spread(name, map[string]int{"london": 1})
	start := time.Now()
	l.share(name, port, "london", "frankfurt")
	servers, err := l.running("london", name)
	if err != nil || len(servers) != 1 {
		l.Fatalf("london has %d servers, want one: %v", len(servers), err)
	}
	server := servers[0].Status.PodIP
	from := find(l, l.tools(want), "frankfurt-2")
	ask := fmt.Sprintf("socat -T 5 - TCP4:%s.default.svc.cluster.local:%d,connect-timeout=2 </dev/null", name, port)
	l.eventually(time.Minute, func() error {
		out, err := l.in(from, ask)
		if err == nil && strings.TrimSpace(out) != from.ip+" "+server {
			err = fmt.Errorf("the server saw %q, want the pods' addresses %s and %s", out, from.ip, server)
		}
		return err
	})
	fmt.Printf("--- the service is reachable from the other cluster after %s\n", time.Since(start).Round(100*time.Millisecond))
	l.unshare(name)
	l.remove(name)
}

// recovery bounds the time until the federation works again after a part of its
// control plane has died, and rebootRecovery after its machine has.
const (
	recovery       = 2 * time.Minute
	rebootRecovery = 4 * time.Minute
)

func federationSurvives(l *lab) {
	l.place(idle("kept", 3), twoToOne)
	l.spread("kept", map[string]int{"frankfurt": 2, "london": 1})
	before, err := l.record("kept")
	if err != nil {
		l.Fatal(err)
	}
	same := func() error {
		if err := l.membersReady("london", "frankfurt", "america"); err != nil {
			return err
		}
		now, err := l.record("kept")
		if err == nil && !maps.Equal(now, before) {
			err = fmt.Errorf("there was %v, now there is %v", before, now)
		}
		return err
	}
	for _, image := range []string{"/etcd:", "/kube-apiserver:"} {
		start := time.Now()
		l.replaceParts(image, recovery)
		l.eventually(recovery, same)
		fmt.Printf("--- without %s: back after %s\n", strings.Trim(image, "/:"), time.Since(start).Round(100*time.Millisecond))
	}
	id, err := l.machine("america-1")
	if err != nil {
		l.Fatal(err)
	}
	start := time.Now()
	if err := errors.Join(l.host.StopMachine(l.ctx, id), l.host.StartMachine(l.ctx, id)); err != nil {
		l.Fatal(err)
	}
	l.eventually(rebootRecovery, func() error {
		return errors.Join(l.controlPlaneReady("america"), same(), l.meshed(want))
	})
	fmt.Printf("--- after a reboot: back after %s\n", time.Since(start).Round(100*time.Millisecond))
	// Those that place and check are back as well.
	l.scale("kept", 6)
	l.spread("kept", map[string]int{"frankfurt": 4, "london": 2})
	after, err := l.record("kept")
	if err != nil {
		l.Fatal(err)
	}
	for what, which := range before {
		if strings.HasPrefix(what, "pod ") && after[what] != which {
			l.Errorf("%s was %s, now it is %q", what, which, after[what])
		}
	}
	l.remove("kept")
	l.must("preview", "--expect-no-changes")
}
