package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hybrid/lab/faults"
	"hybrid/lab/vm"
)

// cloudWorld makes faults in the lab.
type cloudWorld struct{ l *lab }

// memberLimit bounds the time until a member runs after the fault before.
const memberLimit = time.Minute

// Begin implements faults.World. After a fault a pod may have no container yet, or one of which
// kubelet doesn't know yet that it has ended.
func (w *cloudWorld) Begin(ctx context.Context, f faults.Fault) (what string, end func(context.Context) error, err error) {
	for deadline := time.Now().Add(memberLimit); ; w.l.rest(time.Second) {
		what, end, err = w.begin(ctx, f)
		if err == nil || time.Now().After(deadline) {
			return what, end, err
		}
		switch f.Kind {
		case faults.KillPod, faults.PausePod, faults.RestartPod:
		default:
			return what, end, err
		}
	}
}

func (w *cloudWorld) begin(ctx context.Context, f faults.Fault) (what string, end func(context.Context) error, err error) {
	l := w.l
	member := w.member(f)
	cloud := f.Cloud
	if f.Leader && member.cluster != "" {
		cloud = member.cluster
	}
	network := l.machines(cloud)[0].NetworkID
	switch f.Kind {
	case faults.KillPod:
		return member.name, nil, w.signal(ctx, member, "KILL")
	case faults.PausePod:
		return member.name, func(ctx context.Context) error { return w.signal(ctx, member, "CONT") }, w.signal(ctx, member, "STOP")
	case faults.RestartPod:
		return member.name, nil, l.cluster(member.cluster).CoreV1().Pods("default").Delete(ctx, member.name, metav1.DeleteOptions{})
	case faults.KillMachine:
		return member.machine.Name, each(l.host.StartMachine, member.machine), each(l.host.StopMachine, member.machine)(ctx)
	case faults.RestartMachine:
		return member.machine.Name, each(l.host.StartMachine, member.machine), each(l.host.StopMachine, member.machine)(ctx)
	case faults.PauseMachine:
		return member.machine.Name, each(l.host.ResumeMachine, member.machine), each(l.host.PauseMachine, member.machine)(ctx)
	case faults.KillCloud:
		return cloud, each(l.host.StartMachine, l.machines(cloud)...), each(l.host.StopMachine, l.machines(cloud)...)(ctx)
	case faults.PauseCloud:
		return cloud, each(l.host.ResumeMachine, l.machines(cloud)...), each(l.host.PauseMachine, l.machines(cloud)...)(ctx)
	case faults.CutCloud:
		return cloud, func(ctx context.Context) error { return l.host.Mend(ctx, network) }, l.host.Cut(ctx, network)
	case faults.CutOneWay, faults.CutBoth:
		to := l.machines(f.To)[0].NetworkID
		cut := func(ctx context.Context, cut bool) error {
			change := func(way *vm.Link) { way.Cut = cut }
			err := l.host.ChangeWay(ctx, network, to, change)
			if f.Kind == faults.CutBoth {
				err = errors.Join(err, l.host.ChangeWay(ctx, to, network, change))
			}
			return err
		}
		return cloud + " to " + f.To, func(ctx context.Context) error { return cut(ctx, false) }, cut(ctx, true)
	}
	return "", nil, fmt.Errorf("the lab has no such fault")
}

// each does the same to all machines.
func each(do func(context.Context, string) error, machines ...vm.Status) func(context.Context) error {
	return func(ctx context.Context) error {
		var errs []error
		for _, m := range machines {
			errs = append(errs, do(ctx, m.ID))
		}
		return errors.Join(errs...)
	}
}

// victim is a member of the database.
type victim struct {
	cluster, name, container string
	machine                  vm.Status
}

// member finds the one that a fault is of: the leader if it is known, or one of the
// cloud. It is the zero victim if there is none that runs.
func (w *cloudWorld) member(f faults.Fault) victim {
	var all []victim
	for _, cluster := range []string{"frankfurt", "london"} {
		for _, p := range w.pods(cluster) {
			v := victim{cluster: cluster, name: p.Name}
			for _, m := range w.l.machines(cluster) {
				if m.Name == p.Spec.NodeName {
					v.machine = m
				}
			}
			for _, c := range p.Status.ContainerStatuses {
				if c.Name == "postgres" && c.State.Running != nil {
					_, v.container, _ = strings.Cut(c.ContainerID, "://")
				}
			}
			if v.container != "" && v.machine.ID != "" {
				all = append(all, v)
			}
		}
	}
	if f.Leader {
		if r, err := w.l.replication(); err == nil && r.Leader != nil {
			for _, v := range all {
				if v.name == r.Leader.Pod {
					return v
				}
			}
		}
	}
	var here []victim
	for _, v := range all {
		if v.cluster == f.Cloud || f.Cloud == "america" {
			here = append(here, v)
		}
	}
	if len(here) == 0 {
		return victim{}
	}
	return here[f.Pick%len(here)]
}

// pods are the members in a cluster; an API that is still starting after the fault
// before is waited for.
func (w *cloudWorld) pods(cluster string) (found []corev1.Pod) {
	deadline := time.Now().Add(time.Minute)
	for {
		list, err := w.l.cluster(cluster).CoreV1().Pods("default").List(w.l.ctx, metav1.ListOptions{LabelSelector: "app in (psql-master, psql-replica)"})
		if err == nil {
			return list.Items
		}
		if time.Now().After(deadline) || w.l.ctx.Err() != nil {
			w.l.Logf("members in %s: %v", cluster, err)
			return nil
		}
	}
}

// signal sends a signal to all processes of a member's container, past Kubernetes.
func (w *cloudWorld) signal(ctx context.Context, v victim, signal string) error {
	if v.container == "" {
		return errors.New("no member runs there")
	}
	out, err := w.l.host.Exec(ctx, v.machine.ID, "sh", "-c",
		// Some of them end meanwhile.
		`for pid in $(grep -ls "$1" /proc/[0-9]*/cgroup | cut -d/ -f3); do kill -s "$2" $pid && sent=1; done; [ -n "$sent" ]`, "sh", v.container, signal)
	if err != nil && signal == "CONT" {
		return nil // it has been killed meanwhile, by its probe
	}
	if err != nil {
		return fmt.Errorf("%s: %w: %s", v.name, err, out)
	}
	return nil
}

// startClients starts one in each cloud, on its first machine: there no cut between
// clouds hides a member of its own. The function that it returns ends them all.
func (l *lab) startClients(history *faults.History) (end func()) {
	l.Helper()
	program := filepath.Join(l.TempDir(), "client")
	build := exec.CommandContext(l.ctx, "go", "build", "-o", program, "hybrid/lab/faults/client")
	if out, err := build.CombinedOutput(); err != nil {
		l.Fatalf("%v\n%s", err, out)
	}
	text, err := l.stack.Output(l.ctx, "stack", "output", "postgres", "--json", "--show-secrets")
	if err != nil {
		l.Fatal(err)
	}
	var database struct{ CA, Password string }
	if err := json.Unmarshal(text, &database); err != nil {
		l.Fatal(err)
	}
	ctx, cancel := context.WithCancel(l.ctx)
	var all sync.WaitGroup
	for _, cluster := range []string{"america", "frankfurt", "london"} {
		dns, err := l.cluster(cluster).CoreV1().Services("kube-system").Get(l.ctx, "kube-dns", metav1.GetOptions{})
		if err != nil {
			l.Fatal(err)
		}
		container, err := l.host.Container(l.ctx, l.machines(cluster)[0].ID)
		if err != nil {
			l.Fatal(err)
		}
		const path = "/usr/local/bin/faults-client"
		if out, err := exec.CommandContext(l.ctx, "docker", "cp", program, container+":"+path).CombinedOutput(); err != nil {
			l.Fatalf("%v: %s", err, out)
		}
		const domain = ".default.svc.cluster.local."
		plan, err := json.Marshal(faults.Plan{
			Client: cluster, Resolver: dns.Spec.ClusterIP, Write: "psql-master" + domain, Read: "psql-replica" + domain,
			Members: "psql-members" + domain, Name: "psql-master", CA: database.CA, Password: database.Password,
		})
		if err != nil {
			l.Fatal(err)
		}
		all.Go(func() {
			// It dies with its machine, and is started again with that.
			for ctx.Err() == nil {
				if err := follow(ctx, history, container, path, append(plan, '\n')); err != nil && ctx.Err() == nil {
					say("the client of %s: %v", cluster, err)
				}
				select {
				case <-ctx.Done():
				case <-time.After(time.Second):
				}
			}
		})
	}
	return func() {
		cancel()
		all.Wait()
	}
}

// follow runs a client until it ends.
func follow(ctx context.Context, history *faults.History, container, path string, plan []byte) error {
	cmd := exec.CommandContext(ctx, "docker", "exec", "-i", container, path)
	in, err := cmd.StdinPipe() // its end is the client's, too
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	var stderr bytes.Buffer
	cmd.Stderr = io.MultiWriter(&stderr, os.Stderr)
	cmd.Cancel = in.Close
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		return err
	}
	if _, err := in.Write(plan); err != nil {
		return errors.Join(err, cmd.Wait())
	}
	return errors.Join(history.Follow(out), cmd.Wait())
}
