package exporter

import (
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"

	"hybrid/internal/observe"
)

// Prefix begins the names of all alerts.
const Prefix = "Hybrid"

// Rule is an alert, as Prometheus reads it; see
// https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/.
type Rule struct {
	Alert         string            `json:"alert"`
	Expr          string            `json:"expr"`
	For           string            `json:"for"`
	KeepFiringFor string            `json:"keep_firing_for,omitempty"`
	Labels        map[string]string `json:"labels"`
	Annotations   map[string]string `json:"annotations"`
}

// patience is how long a problem must be there: a pod that is replaced is none.
var patience = map[observe.Severity]string{observe.Critical: "30s", observe.Warning: "2m"}

// Rules are an alert for each judgement, one for a failover, which is over when it is to
// be seen, and two for the exporter itself.
func Rules() []Rule {
	var all []Rule
	labels := strings.NewReplacer("$cluster", "{{ $labels.cluster }}", "$object", "{{ $labels.object }}")
	for _, j := range observe.Judgements() {
		all = append(all, Rule{
			Alert: Prefix + j.Name,
			Expr:  fmt.Sprintf("hybrid_problem{kind=%q} == 1", j.Name),
			For:   patience[j.Severity], KeepFiringFor: "30s",
			// An alert is the same while its command changes, as when another pod is
			// asked: an empty label is none.
			Labels:      map[string]string{"severity": string(j.Severity), "command": ""},
			Annotations: map[string]string{"summary": j.Part + ": " + labels.Replace(j.Summary), "command": "{{ $labels.command }}"},
		})
	}
	other := func(name, expr, patience, severity, summary string) Rule {
		return Rule{
			Alert: Prefix + name, Expr: expr, For: patience, Labels: map[string]string{"severity": severity},
			Annotations: map[string]string{"summary": summary, "command": "hybrid status"},
		}
	}
	critical := string(observe.Critical)
	return append(all,
		other("PostgreSQLFailedOver", "max(changes(hybrid_postgresql_timeline[15m])) > 0", "0s", "info", "postgresql: another server leads than a quarter of an hour ago"),
		other("ExporterMissing", "absent(hybrid_snapshot_timestamp_seconds)", "1m", critical, "exporter: no metrics of the hybrid cloud: hybrid exporter doesn't run, or can't be asked"),
		other("ExporterStale", "time() - hybrid_snapshot_timestamp_seconds > 60", "1m", critical, "exporter: it has not looked at the hybrid cloud for a minute"),
	)
}

// RuleFile is the text of a rule file with all alerts.
func RuleFile() ([]byte, error) {
	type group struct {
		Name  string `json:"name"`
		Rules []Rule `json:"rules"`
	}
	text, err := yaml.Marshal(map[string][]group{"groups": {{"hybrid", Rules()}}})
	if err != nil {
		return nil, err
	}
	return append([]byte("# Alerts of a hybrid cloud, for Prometheus' rule_files. Made by `hybrid exporter --rules`.\n"), text...), nil
}
