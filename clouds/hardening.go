package clouds

import _ "embed"

// What the API server is given besides kubeadm's own, and where it finds it. The
// checks that these satisfy are those of the CIS Kubernetes Benchmark 1.12,
// https://www.cisecurity.org/benchmark/kubernetes, sections 1.2 to 1.4.
const (
	// hardeningFolder holds the policies of audit and admission, and the key that Secrets
	// are encrypted with. init.sh writes it before the API server first starts.
	hardeningFolder = "/etc/kubernetes/hardening"
	// auditFolder holds who did what.
	auditFolder = "/var/log/kubernetes/audit"
)

// auditPolicy says what is written down of each request.
//
//go:embed files/audit-policy.yaml
var auditPolicy string

// admission says which pods are let in.
//
//go:embed files/admission.yaml
var admission string

// approver signs kubelets' requests for serving certificates: a script that a timer
// of the control plane runs.
//
//go:embed scripts/node/approve-kubelets.sh
var approver string

// renewer renews kubeadm's certificates before they end: a script that a timer of the
// control plane runs.
//
//go:embed scripts/node/renew-certificates.sh
var renewer string

// reporter tells the cluster that a machine waits for a reboot: a script that a timer of
// each node runs.
//
//go:embed scripts/node/report-reboots.sh
var reporter string

// timed is a script as a timer runs it: a program, which begins as every step does.
func timed(script string) string { return "#!/bin/sh\n" + Library + script }

// argument is one of a component's, as kubeadm has them.
func argument(name, value string) document { return document{"name": name, "value": value} }

// apiServer is kubeadm's section of that name.
func apiServer(names []any) document {
	return document{
		"certSANs": names,
		"extraArgs": []any{
			// 1.2.15: what a profile shows is of no use to others than developers.
			argument("profiling", "false"),
			// 1.2.16 to 1.2.19: who did what, for 30 days and at most a GB.
			argument("audit-policy-file", hardeningFolder+"/audit-policy.yaml"),
			argument("audit-log-path", auditFolder+"/audit.log"),
			argument("audit-log-maxage", "30"),
			argument("audit-log-maxbackup", "10"),
			argument("audit-log-maxsize", "100"),
			// 5.2.1: not every namespace takes any pod.
			argument("admission-control-config-file", hardeningFolder+"/admission.yaml"),
			// 1.2.5: the kubelet that the API server talks to is the node's.
			argument("kubelet-certificate-authority", "/etc/kubernetes/pki/ca.crt"),
			// 1.2.27: a token that has leaked is of use for an hour, not a year.
			argument("service-account-extend-token-expiration", "false"),
			// 1.2.28: who has etcd's disk or its backup doesn't have the Secrets.
			argument("encryption-provider-config", hardeningFolder+"/encryption.yaml"),
		},
		"extraVolumes": []any{
			document{"name": "hardening", "hostPath": hardeningFolder, "mountPath": hardeningFolder, "readOnly": true, "pathType": "Directory"},
			document{"name": "audit", "hostPath": auditFolder, "mountPath": auditFolder, "pathType": "DirectoryOrCreate"},
		},
	}
}

// withoutProfiling is kubeadm's section of the controller manager (1.3.2) and of the
// scheduler (1.4.1).
func withoutProfiling() document {
	return document{"extraArgs": []any{argument("profiling", "false")}}
}
