package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// snapshotLimit is from a cluster's first minute to its first snapshot.
const snapshotLimit = 2 * time.Minute

// TestLongSnapshots goes through the life of a cluster's etcd, and of the federation's in it. The
// cluster is one, so that it takes minutes.
func TestLongSnapshots(t *testing.T) {
	l := open(t)
	config := l.config(func(settings map[string]any) {
		settings["hybrid:clusters"] = []any{map[string]any{
			"name": "frankfurt", "cloud": "aws", "region": "eu-central-1", "networkCidr": "10.20.0.0/24", "serviceCidr": "10.97.0.0/16",
			"workers": 1, "federationHost": true,
		}}
		settings["hybrid:postgres"] = map[string]any{"enabled": false}
		settings["hybrid:zone"] = map[string]any{"enabled": false}
		settings["hybrid:backup"].(map[string]any)["enabled"] = true
	})
	l.steps(t, []part{
		{name: "up", run: func(l *lab) { l.up(config) }},
		{name: "a first snapshot", run: firstSnapshot},
		{name: "one that is asked for", run: askedSnapshot},
		{name: "one that is damaged", run: damagedSnapshot},
	})
}

// snapshotsSaid is what `hybrid backup list --json` prints of a cluster.
type snapshotsSaid struct {
	Cluster, Error string
	Snapshots      []struct{ ID, Why string }
}

func (l *lab) snapshots(verb string) (snapshotsSaid, error) {
	out, err := l.ask("backup", verb, "--json")
	var all []snapshotsSaid
	if err == nil {
		err = json.Unmarshal([]byte(out), &all)
	}
	if err != nil || len(all) != 1 {
		return snapshotsSaid{}, errors.Join(err, fmt.Errorf("want one cluster, found %s", out))
	}
	return all[0], nil
}

func firstSnapshot(l *lab) {
	l.eventually(snapshotLimit, func() error {
		s, err := l.snapshots("list")
		if err == nil && len(s.Snapshots) == 0 {
			err = fmt.Errorf("there is no snapshot: %+v", s)
		}
		return err
	})
}

// askedSnapshot finds nothing plain in the bucket of a snapshot that was asked for.
func askedSnapshot(l *lab) {
	if out, err := l.kube("", "frankfurt", "create", "configmap", canary, "--from-literal", "word="+canary); err != nil {
		l.Fatal(err, out)
	}
	before, err := l.snapshots("list")
	if err != nil {
		l.Fatal(err)
	}
	after, err := l.snapshots("now")
	if err != nil || len(after.Snapshots) <= len(before.Snapshots) || after.Snapshots[len(after.Snapshots)-1].Why != "asked" {
		l.Errorf("%v: before there were %+v, now there are %+v", err, before, after)
	}
	// It is to be found where it is in the clear.
	l.run("frankfurt-1", "sudo grep -rqa "+canary+" /var/lib/etcd/member")
	l.bucket(func(path string) {
		text, err := os.ReadFile(path)
		if err != nil {
			l.Error(err)
		}
		for _, word := range []string{canary, "PRIVATE KEY"} {
			if bytes.Contains(text, []byte(word)) || strings.Contains(path, word) {
				l.Errorf("%s has the canary, a key or a secret in the clear", path)
			}
		}
	})
}

// damagedSnapshot damages what is largest in the bucket, and sees a rehearsal notice it.
func damagedSnapshot(l *lab) {
	mend := l.damage("/etcd/frankfurt/data/")
	if _, err := l.snapshots("now"); err == nil || !strings.Contains(err.Error(), "exit status 1") {
		l.Errorf("a rehearsal of a damaged snapshot: %v", err)
	}
	if out, err := l.ask("status"); err == nil || !strings.Contains(out, "the rehearsal of a restore of etcd has failed") {
		l.Errorf("hybrid status: %v: %s", err, out)
	}
	mend()
	if s, err := l.snapshots("now"); err != nil || s.Error != "" {
		l.Errorf("of a whole one: %v: %+v", err, s)
	}
}
