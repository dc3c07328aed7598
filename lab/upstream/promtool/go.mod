module hybrid/lab/upstream/promtool

go 1.26

require (
	github.com/prometheus/prometheus v0.307.3
	k8s.io/api v0.35.4
	k8s.io/apimachinery v0.35.4
	k8s.io/client-go v0.35.4
)
