package observe

import (
	"regexp"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"hybrid/internal/fakecloud"
)

func TestJudgements(t *testing.T) {
	seen := map[string]bool{}
	for _, j := range Judgements() {
		if seen[j.Name] || !regexp.MustCompile(`^([A-Z][A-Za-z]+)$`).MatchString(j.Name) {
			t.Errorf("%s: want a name in camel case of its own", j.Name)
		}
		seen[j.Name] = true
		if rest := strings.NewReplacer("$cluster", "", "$object", "").Replace(j.Summary); j.Summary == "" || strings.Contains(rest, "$") {
			t.Errorf("%s: summary %q: want a text with $cluster and $object", j.Name, j.Summary)
		}
	}
}

// A problem's kind, cluster and object tell it from all others, and its text begins with
// its part.
func TestProblemsAreToldApart(t *testing.T) {
	t.Parallel()
	c := fakecloud.New(t, 3, 2)
	c.Lost = []string{"frankfurt"}
	c.Cluster("frankfurt").Silent = true
	c.Paused, c.Waiting = true, 60
	for _, n := range c.Cluster("london").Nodes {
		n.Status.Conditions[0].Status = corev1.ConditionFalse
	}
	c.Cluster("america").Pods[0].Status.Conditions[0].Status = corev1.ConditionFalse
	parts := map[string]string{}
	for _, j := range Judgements() {
		parts[j.Name] = j.Part
	}
	seen := map[[3]string]bool{}
	problems := observer(t, c).Look(t.Context()).Problems
	for _, p := range problems {
		key := [3]string{p.Kind, p.Cluster, p.Object}
		if seen[key] {
			t.Errorf("%q is there twice", key)
		}
		seen[key] = true
		if parts[p.Kind] != p.Part || !strings.HasPrefix(strings.Replace(p.Text, ":", "", 1), p.Part+" ") {
			t.Errorf("%q of %s is a judgement of %q", p.Text, p.Part, parts[p.Kind])
		}
	}
	if len(seen) < 9 {
		t.Errorf("only %d kinds of problems: %+v", len(seen), problems)
	}
}
