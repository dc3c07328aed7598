package fakecloud

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// position is the leader's in the write-ahead log.
const position = 0x5000148

func isMember(p *corev1.Pod) bool {
	return p.Labels["app"] == "psql-master" || p.Labels["app"] == "psql-replica"
}

// members calls do with each member that runs, and its cluster.
func (c *Cloud) members(do func(x *Cluster, p *corev1.Pod)) {
	for _, x := range c.Clusters {
		for _, p := range x.Pods {
			if isMember(p) && p.Status.Phase == corev1.PodRunning {
				do(x, p)
			}
		}
	}
}

// electable are the members whose copy commits wait for.
func (c *Cloud) electable() (names []string) {
	c.members(func(x *Cluster, p *corev1.Pod) {
		if _, behind := c.Behind[p.Name]; p.Name != c.Leader && c.Durability != "none" && !behind && !slices.Contains(c.Lost, x.Name) {
			names = append(names, p.Name)
		}
	})
	slices.Sort(names)
	return names
}

// server is what a member's PostgreSQL says.
func (c *Cloud) server(x *Cluster, p *corev1.Pod) object {
	here := position - c.Behind[p.Name]
	leads := p.Name == c.Leader || slices.Contains(c.Elsewhere, p.Name)
	if c.chosen == p.Name && c.Promotes > 0 {
		c.Promotes--
		leads = false
	}
	answer := object{
		"version": "17.7", "replica": !leads, "position": fmt.Sprintf("0/%X", here), "bytes": here, "timeline": 1,
		"age": 4.5, "waiting": 0, "streams": []object{}, "lost": c.Losses[p.Name],
	}
	if p.Name != c.Leader {
		return answer
	}
	streams := []object{}
	electable := c.electable()
	c.members(func(x *Cluster, p *corev1.Pod) {
		if _, behind := c.Behind[p.Name]; behind || p.Name == c.Leader || slices.Contains(c.Lost, x.Name) {
			return
		}
		s := object{"name": p.Name, "address": p.Status.PodIP, "state": "streaming", "sync": "async", "bytes": 0, "seconds": 0.004, "silent": 1.5}
		if slices.Contains(electable, p.Name) {
			s["sync"] = "quorum"
		}
		if bytes, ok := c.Unmeasured[p.Name]; ok {
			s["bytes"], s["seconds"] = bytes, nil
		}
		if x.Silent {
			s["bytes"], s["seconds"], s["silent"] = 50_331_648, nil, 8
		}
		streams = append(streams, s)
	})
	answer["streams"], answer["waiting"], answer["age"] = streams, c.Waiting, nil
	answer["backup"], answer["schedule"] = c.Backup, c.Schedule
	return answer
}

// patroni is what a member's Patroni says, and hears of others.
func (c *Cloud) patroni(from *corev1.Pod) object {
	members, asked := []object{}, object{}
	electable := c.electable()
	c.members(func(x *Cluster, p *corev1.Pod) {
		role, state := "replica", "streaming"
		switch {
		case p.Name == c.Leader:
			role, state = "leader", "running"
		case slices.Contains(electable, p.Name):
			role = "quorum_standby"
		}
		if !slices.Contains(c.Lost, x.Name) {
			members = append(members, object{"name": p.Name, "role": role, "state": state, "lag": c.Behind[p.Name], "tags": object{"cloud": x.Name}})
		}
		if p != from {
			asked[p.Name] = nil
			if why, ok := c.Refused[p.Name]; ok {
				asked[p.Name] = why
			}
		}
	})
	mode := "quorum"
	if c.Durability == "none" {
		mode = "off"
	}
	return object{"cluster": object{"members": members, "pause": c.Paused}, "config": object{"synchronous_mode": mode, "synchronous_node_count": 4}, "asked": asked}
}

// patronictl does what it is told: a candidate leads at once, or once Promotes says so.
func (c *Cloud) patronictl(args []string) []byte {
	c.Ran = append(c.Ran, strings.Join(args, " "))
	if c.Refuses != "" {
		return []byte(c.Refuses + "\n")
	}
	if i := slices.Index(args, "--candidate"); i >= 0 {
		c.Leader, c.chosen = args[i+1], args[i+1]
		return []byte("Successfully switched over\n")
	}
	return []byte("Success\n")
}
