package federation

import (
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

func karmadaImage(program string) string {
	return "docker.io/karmada/karmada-" + program + ":" + KarmadaVersion
}

const controllerManagerName = "karmada-controller-manager"

// controllerManager does what the federation is for: it puts objects into members,
// and tells how they and the members are.
//
// It asks each member every 5 s how it is. One that doesn't answer is shown NotReady
// when it has not answered for GraceSeconds, and again at the next question. A dead
// connection is noticed after 10 s (by default 45 s), and a new one to where packets
// vanish is given up after 7 s (by default Karmada's own 30 s): so a dead member is
// NotReady after 35 s at the latest.
//
// Nothing is moved away from a member that is not Ready (feature Failover is off, as
// is the default): that would make a second master of the database.
func (b *builder) controllerManager(needs []pulumi.Resource) (running, error) {
	return b.run(b.karmadaController(program{
		name: controllerManagerName, image: karmadaImage("controller-manager"),
		command: []string{
			"/bin/" + controllerManagerName,
			"--cluster-status-update-frequency=5s",
			fmt.Sprintf("--cluster-failure-threshold=%ds", b.args.GraceSeconds),
			"--cluster-success-threshold=5s",
			"--feature-gates=MultiClusterService=true,Failover=false",
		},
		env:    map[string]string{"HTTP2_READ_IDLE_TIMEOUT_SECONDS": "5", "HTTP2_PING_TIMEOUT_SECONDS": "5"},
		probes: probes{scheme: "HTTP", port: 10357, live: "/healthz", ready: "/healthz"},
		dials:  true,
		cpu:    "50m", memory: "100Mi",
	}), needs)
}

const schedulerName = "karmada-scheduler"

// scheduler chooses members for objects.
func (b *builder) scheduler(needs []pulumi.Resource) (running, error) {
	return b.run(b.karmadaController(program{
		name: schedulerName, image: karmadaImage("scheduler"),
		command: []string{"/bin/" + schedulerName},
		probes:  probes{scheme: "HTTP", port: 10351, live: "/healthz", ready: "/healthz"},
		cpu:     "20m", memory: "60Mi",
	}), needs)
}

// karmadaController adds what Karmada's controllers have in common.
func (b *builder) karmadaController(p program) program {
	p.command = append(p.command, "--kubeconfig="+files+"/kubeconfig", b.elects())
	p.secret = pulumi.StringMap{"kubeconfig": b.inside, "ca.crt": b.pki.authority.Cert}
	p.certificates = []pulumi.StringOutput{b.pki.authority.Cert, b.pki.admin.Cert}
	p.waits = []string{URL + "/readyz"}
	p.alone = true
	return p
}
