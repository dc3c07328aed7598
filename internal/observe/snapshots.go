package observe

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"hybrid/internal/shell"
)

// What a control plane writes down of the snapshots of its etcd, and where one is asked for:
// see clouds/scripts/node/send-snapshot.sh.
const (
	snapshotsName  = "hybrid-snapshots"
	snapshotsSpace = "kube-system"
	snapshotsAsk   = "hybrid/asked"
)

// Snapshots are those of a cluster's etcd, and of the federation's in its host, that are
// in the bucket.
type Snapshots struct {
	// Number is how many there are, and Last when the last one was sent; nil if there is
	// none.
	Number int        `json:"number"`
	Last   *time.Time `json:"last,omitempty"`
	// LimitMinutes is how old the last one may be.
	LimitMinutes int `json:"limitMinutes"`
	// Error is what went wrong with the last attempt.
	Error string `json:"error,omitempty"`
	// Rehearsed is when a restore was last rehearsed well; nil if never. LimitHours is how
	// long ago that may be.
	Rehearsed  *time.Time `json:"rehearsed,omitempty"`
	LimitHours int        `json:"limitHours"`
	// Unfit is why the last rehearsal has failed.
	Unfit string `json:"unfit,omitempty"`
	// List are all, the oldest first.
	List []EtcdSnapshot `json:"-"`

	answers string
}

// EtcdSnapshot is one in the bucket.
type EtcdSnapshot struct {
	ID   string    `json:"id"`
	Time time.Time `json:"time"`
	// Why it was made: schedule, asked or upgrade.
	Why string `json:"why"`
}

// How many intervals may pass without a snapshot, and without a rehearsal.
const missing, unrehearsed = 3, 2

// parseSnapshots reads a ConfigMap.
func parseSnapshots(data map[string]string) (*Snapshots, error) {
	numbers := map[string]int64{}
	for _, key := range []string{"minutes", "hours", "last", "rehearsed"} {
		n, err := strconv.ParseInt(data[key], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s: expected a number, found %q", key, data[key])
		}
		numbers[key] = n
	}
	at := func(key string) *time.Time {
		if numbers[key] == 0 {
			return nil
		}
		t := time.Unix(numbers[key], 0).UTC()
		return &t
	}
	s := &Snapshots{
		Last: at("last"), LimitMinutes: missing * int(numbers["minutes"]), Error: strings.TrimSpace(data["error"]),
		Rehearsed: at("rehearsed"), LimitHours: unrehearsed * int(numbers["hours"]), Unfit: strings.TrimSpace(data["unfit"]),
		answers: data["answers"],
	}
	// As `restic snapshots --json` prints them.
	var list []struct {
		ID   string    `json:"short_id"`
		Time time.Time `json:"time"`
		Tags []string  `json:"tags"`
	}
	if err := json.Unmarshal([]byte(data["list"]), &list); err != nil {
		return nil, fmt.Errorf("expected a list of snapshots: %w", err)
	}
	for _, one := range list {
		why := ""
		for _, tag := range one.Tags {
			if is, ok := strings.CutPrefix(tag, "why="); ok {
				why = is
			}
		}
		s.List = append(s.List, EtcdSnapshot{one.ID, one.Time.UTC(), why})
	}
	slices.SortStableFunc(s.List, func(a, b EtcdSnapshot) int { return a.Time.Compare(b.Time) })
	s.Number = len(s.List)
	return s, nil
}

// Snapshots are a cluster's; nil if none are made.
func (o *Observer) Snapshots(ctx context.Context, cluster string) (*Snapshots, error) {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	a := o.clusters[cluster]
	if a.broken != nil {
		return nil, a.broken
	}
	found, err := a.client.CoreV1().ConfigMaps(snapshotsSpace).Get(ctx, snapshotsName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	} else if err != nil {
		return nil, plain(err)
	}
	s, err := parseSnapshots(found.Data)
	if err != nil {
		return nil, fmt.Errorf("cluster %s: ConfigMap %s in %s: %w", cluster, snapshotsName, snapshotsSpace, err)
	}
	return s, nil
}

// TakeSnapshot asks a cluster's control plane for a snapshot, and waits until it has been
// sent, or returns why it hasn't. The control plane looks twice a minute whether it is
// asked.
func (o *Observer) TakeSnapshot(ctx context.Context, cluster string) (*Snapshots, error) {
	if s, err := o.Snapshots(ctx, cluster); err != nil {
		return nil, err
	} else if s == nil {
		return nil, fmt.Errorf("cluster %s makes no snapshots: hybrid:backup is not enabled, or its first one is still to come", cluster)
	}
	asked := time.Now().UTC().Format(time.RFC3339Nano)
	patch := fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, snapshotsAsk, asked)
	asking, cancel := context.WithTimeout(ctx, o.Timeout)
	_, err := o.clusters[cluster].client.CoreV1().ConfigMaps(snapshotsSpace).Patch(asking, snapshotsName, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	cancel()
	if err != nil {
		return nil, plain(err)
	}
	for {
		s, err := o.Snapshots(ctx, cluster)
		if err == nil && s != nil && s.answers == asked {
			switch {
			case s.Error != "":
				err = fmt.Errorf("cluster %s: %s", cluster, s.Error)
			case s.Unfit != "":
				err = fmt.Errorf("cluster %s: the snapshot can't be restored: %s", cluster, s.Unfit)
			}
			return s, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("cluster %s: the snapshot has not been sent yet: see \"journalctl -u hybrid-snapshot\" on its control plane", cluster)
		case <-time.After(time.Second):
		}
	}
}

// readSnapshots asks a cluster for what it says of them.
func (o *Observer) readSnapshots(ctx context.Context, cluster string) {
	s, err := o.Snapshots(ctx, cluster)
	if err != nil {
		return // that the cluster doesn't answer, or tells nothing, is said elsewhere
	}
	o.update(cluster, func(c *clusterFacts) { c.snapshots = s })
}

// snapshots judges those of a cluster that answers.
func (p *diagnosis) snapshots(cluster string, s *Snapshots) {
	why := ""
	if s.Error != "" {
		why = ": " + s.Error
	}
	command := shell.Join("hybrid", "backup", "list")
	switch {
	case s.Last == nil && s.Error != "":
		p.problem(snapshotOld, cluster, "", "cluster "+cluster+": there is no snapshot of etcd in the bucket"+why, command)
	case s.Last != nil && p.now.Sub(*s.Last) > time.Duration(s.LimitMinutes)*time.Minute:
		p.problem(snapshotOld, cluster, "", fmt.Sprintf("cluster %s: the last snapshot of etcd is %.0f min old, and may be %d%s", cluster, p.now.Sub(*s.Last).Minutes(), s.LimitMinutes, why), command)
	}
	switch {
	case s.Unfit != "":
		p.problem(snapshotUnfit, cluster, "", "cluster "+cluster+": the rehearsal of a restore of etcd has failed: "+s.Unfit, command)
	case s.Rehearsed != nil && p.now.Sub(*s.Rehearsed) > time.Duration(s.LimitHours)*time.Hour:
		p.problem(snapshotUnfit, cluster, "", fmt.Sprintf("cluster %s: the last rehearsal of a restore of etcd was %.0f h ago, and may be %d", cluster, p.now.Sub(*s.Rehearsed).Hours(), s.LimitHours), command)
	}
}
