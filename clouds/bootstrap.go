package clouds

import (
	"embed"
	"strings"

	"github.com/pulumi/pulumi-command/sdk/go/command/remote"
	"github.com/pulumi/pulumi-tls/sdk/v5/go/tls"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// scripts run on machines. They are idempotent: an update runs them again, and
// so does an update after one that was killed half-way.
//
//go:embed scripts/node/*.sh
var scripts embed.FS

// scriptBody is a script without what begins every one. Those that install packages
// share how, those that make nodes share their timers, and those that empty nodes share
// DrainLibrary.
func scriptBody(name string) (string, error) {
	files := []string{name}
	switch name {
	case "prepare", "upgrade":
		files = []string{"packages", name}
	case "snapshots":
		files = []string{"packages", "timers", name}
	case "init", "join":
		files = []string{"timers", name}
	case "member", "turn":
		files = []string{"drain", name}
	}
	var text strings.Builder
	for _, f := range files {
		part, err := scripts.ReadFile("scripts/node/" + f + ".sh")
		if err != nil {
			return "", err
		}
		text.Write(part)
	}
	return text.String(), nil
}

// bootstrap turns machines into a Kubernetes cluster by remote commands.
//
// Per machine: first-contact → prepare, and on DigitalOcean addresses. Then on the control
// plane snapshots, where there are backups, → init → admin-conf, and for each worker token
// (on the control plane) → join (on the worker). member then lets each node's kubelet have
// its certificate, and takes a worker out of the cluster when it is deleted.
//
// No step waits for a node to be Ready: nodes are by the mesh, which comes later
// and so waits for that itself. What waited here could keep the mesh from starting,
// for Pulumi runs so many steps at a time and no more.
//
// Each command's trigger is the ID of the one before it, the first one's is the
// machine's, and each is deleted before it is replaced. So a new machine
// redoes its commands, and the old node has left the cluster by then: otherwise
// the deletion of the old member would remove the new node, which has the same
// name.
type bootstrap struct {
	*builder
	key pulumi.StringOutput // SSH private key
	pem pulumi.StringOutput // the same, in PEM
	// begun is the ID of <cluster>-life, see begin.
	begun pulumi.StringOutput
	// born is the machine that the cluster was made with: that of its control plane, unless
	// that has come back in the place of a lost one.
	born pulumi.StringOutput
	// life is Cluster.Life.
	life pulumi.StringOutput
}

// host is a machine that has been contacted.
type host struct {
	*Node
	// prepared can run kubeadm.
	prepared *remote.Command
}

// step is a script to be run on a machine.
type step struct {
	// script is the file's name, without .sh, and the end of the resource's.
	script string
	// of is the node that the step is about, if not the one it runs on.
	of *Node
	// params are assigned to shell variables before the script begins.
	params pulumi.StringMapInput
	// after are the step's triggers: it is redone when one of these changes.
	after pulumi.StringArray
	// leaves says that the script also has something to do on deletion.
	leaves bool
	// secret says that the output is secret.
	secret  bool
	timeout string
	options []pulumi.ResourceOption
}

// kubernetes sets up Kubernetes on the nodes, the control plane first. It returns
// the administrator's kubeconfig as kubeadm wrote it, and the resource that
// stands for the cluster's life.
func (b *bootstrap) kubernetes(nodes []*Node) (adminConf pulumi.StringOutput, identity pulumi.CustomResource, err error) {
	var hosts []*host
	for _, n := range nodes {
		h, err := b.prepare(n)
		if err != nil {
			return adminConf, nil, err
		}
		hosts = append(hosts, h)
	}
	control := hosts[0]
	snapshots, err := b.snapshots(control)
	if err != nil {
		return adminConf, nil, err
	}
	init, err := b.init(control, snapshots)
	if err != nil {
		return adminConf, nil, err
	}
	b.life = b.firstInit(control.Machine, id(init))
	cluster := pulumi.DependsOn([]pulumi.Resource{init})
	age, err := b.age()
	if err != nil {
		return adminConf, nil, err
	}
	conf, err := b.run(control, step{
		script: "admin-conf", after: pulumi.StringArray{b.life, age.ID().ToStringOutput()}, secret: true, timeout: "10m",
		params:  pulumi.StringMap{"PUBLIC": control.PublicAddress},
		options: []pulumi.ResourceOption{cluster},
	})
	if err != nil {
		return adminConf, nil, err
	}
	control.Joined = init
	control.Member, err = b.run(control, step{
		script: "member", after: pulumi.StringArray{b.life}, timeout: "10m",
		params:  pulumi.StringMap{"NODE": pulumi.String(control.Name), "ADDRESS": control.PrivateAddress, "TOKEN_ID": pulumi.String("")},
		options: []pulumi.ResourceOption{cluster},
	})
	if err != nil {
		return adminConf, nil, err
	}
	for _, worker := range hosts[1:] {
		if err := b.join(control, init, worker); err != nil {
			return adminConf, nil, err
		}
	}
	return pulumi.ToSecret(conf.Stdout).(pulumi.StringOutput), init, nil
}

// prepare meets a machine and makes it fit for kubeadm.
func (b *bootstrap) prepare(n *Node) (*host, error) {
	// The only connection that trusts any machine that answers: user-data holds no secret
	// host key that could be pinned from the start. It carries nothing secret
	// either, and asks for the key that all later connections insist on.
	h := &host{Node: n}
	contact, err := b.run(h, step{script: "first-contact", after: pulumi.StringArray{n.Machine}, timeout: "20m"})
	if err != nil {
		return nil, err
	}
	n.hostKey = contact.Stdout
	if n.PrivateAddress == (pulumi.StringOutput{}) {
		if err := b.addresses(h, contact); err != nil {
			return nil, err
		}
	}
	turn, opts, err := b.args.Rollout.upgrade(b.cluster, b.args, n.Name)
	if err != nil {
		return nil, err
	}
	h.prepared, err = b.run(h, step{
		script: "prepare", after: pulumi.StringArray{id(contact)}, timeout: "45m",
		params: pulumi.StringMap{
			preparedVersion: pulumi.String(b.args.version()),
			"MIRROR":        pulumi.String(b.args.RegistryMirror),
			"PACKAGES":      pulumi.String(b.args.PackageMirror),
		},
		options: opts,
	})
	if err != nil {
		return nil, err
	}
	turn.of(h.prepared)
	return h, nil
}

// init creates the cluster on its control plane, and later brings that to changed
// settings, and the API's certificate to changed names.
func (b *bootstrap) init(control *host, needs []pulumi.Resource) (*remote.Command, error) {
	params := pulumi.All(control.PrivateAddress, control.PublicAddress).ApplyT(func(v []any) (map[string]string, error) {
		return initParams(b.cluster, b.args, control.Name, v[0].(string), v[1].(string))
	}).(pulumi.StringMapOutput)
	return b.run(control, step{
		// Bringing a running control plane to other settings restarts its components
		// one after the other; kubeadm waits up to five minutes for each.
		script: "init", after: pulumi.StringArray{b.alive(id(control.prepared))}, timeout: "30m", params: params,
		options: []pulumi.ResourceOption{pulumi.DependsOn(needs)},
	})
}

// age is replaced in the last weeks of the certificate in admin.conf: then the control
// plane has renewed that (scripts/node/renew-certificates.sh), and admin.conf is to be read
// again. It is a certificate that proves nothing. Its provider knows the time, and this
// program must not: two previews of the same state show the same.
func (b *bootstrap) age() (*tls.SelfSignedCert, error) {
	life := b.args.Kubeadm.certificateHours()
	return tls.NewSelfSignedCert(b.ctx, b.named("admin-conf-age"), &tls.SelfSignedCertArgs{
		PrivateKeyPem:       b.pem,
		Subject:             tls.SelfSignedCertSubjectArgs{CommonName: pulumi.String("age of admin.conf")},
		AllowedUses:         pulumi.StringArray{},
		ValidityPeriodHours: pulumi.Int(life),
		// After the control plane's own renewal, and soon after it: hybrid status asks for
		// an update then.
		EarlyRenewalHours: pulumi.Int(min(life/3, 30*24) * 29 / 30),
	}, pulumi.Parent(b.parent))
}

// join makes a worker part of the cluster. Every join has a token of its own:
// tokens live for a day, and a node may be added next month.
func (b *bootstrap) join(control *host, init *remote.Command, worker *host) error {
	token, err := b.run(control, step{
		script: "token", of: worker.Node, secret: true, timeout: "5m",
		after:   pulumi.StringArray{b.life, worker.Machine},
		params:  pulumi.StringMap{"NODE": pulumi.String(worker.Name)},
		options: []pulumi.ResourceOption{pulumi.DependsOn([]pulumi.Resource{init})},
	})
	if err != nil {
		return err
	}
	parsed := pulumi.ToSecret(token.Stdout).(pulumi.StringOutput).ApplyT(parseJoin)
	config := pulumi.All(parsed, worker.PrivateAddress).ApplyT(func(v []any) (string, error) {
		return joinDocument(b.args, worker.Name, v[1].(string), v[0].(joinCommand))
	}).(pulumi.StringOutput)
	kubelet, err := render(kubeletConfiguration(b.args))
	if err != nil {
		return err
	}
	joined, err := b.run(worker, step{
		script: "join", after: pulumi.StringArray{id(worker.prepared), id(token)}, timeout: "25m",
		params: pulumi.StringMap{
			"NODE":      pulumi.String(worker.Name),
			"CONFIG":    config,
			"CA_HASH":   joinPart(parsed, func(j joinCommand) string { return j.caHash }),
			"TOKEN_URN": token.URN().ToStringOutput(),
			"KUBELET":   pulumi.String(strings.TrimSpace(kubelet)),
			"REPORTER":  pulumi.String(timed(reporter)),
		},
	})
	if err != nil {
		return err
	}
	worker.Joined = joined
	worker.Member, err = b.run(control, step{
		script: "member", of: worker.Node, leaves: true, timeout: "10m",
		after: pulumi.StringArray{id(joined)},
		params: pulumi.StringMap{
			"NODE":     pulumi.String(worker.Name),
			"ADDRESS":  worker.PrivateAddress,
			"TOKEN_ID": joinPart(parsed, joinCommand.id),
		},
		// A node need not leave a cluster that goes away, or has gone: init is
		// deleted with its machine, and when a new machine takes its place.
		options: []pulumi.ResourceOption{pulumi.DeletedWith(init)},
	})
	return err
}

// joinPart takes something out of what kubeadm printed.
func joinPart(parsed pulumi.Output, part func(joinCommand) string) pulumi.StringOutput {
	return parsed.ApplyT(func(j any) string { return part(j.(joinCommand)) }).(pulumi.StringOutput)
}

// id is the ID of a command: another one each time the command is redone.
func id(c *remote.Command) pulumi.StringOutput { return c.ID().ToStringOutput() }

// run runs a step on a host.
func (b *bootstrap) run(h *host, s step) (*remote.Command, error) {
	if s.of == nil {
		s.of = h.Node
	}
	body, err := scriptBody(s.script)
	if err != nil {
		return nil, err
	}
	var triggers pulumi.Array
	for _, t := range s.after {
		triggers = append(triggers, t)
	}
	return command(b.ctx, s.of.Name+"-"+s.script, h.Node, b.key, Script{
		Name: s.script, Body: body, Params: s.params, Triggers: triggers,
		Leaves: s.leaves, Secret: s.secret, Timeout: s.timeout,
	}, append([]pulumi.ResourceOption{pulumi.Parent(b.parent)}, s.options...)...)
}
