// Package exporter serves what is known of a hybrid cloud as Prometheus metrics, and
// makes the alerts for it.
package exporter

import (
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"hybrid/internal/observe"
)

// metric describes one, a gauge: all of them are of this moment.
func metric(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("hybrid_"+name, help, labels, nil)
}

// The metrics. Names and units are those of
// https://prometheus.io/docs/practices/naming/: 1 is yes and 0 is no, ratios are from 0
// to 1, times are in seconds and sizes in bytes. Those called _info are always 1, and
// their labels tell.
var (
	snapshotTime = metric("snapshot_timestamp_seconds", "When the facts were put together, in seconds since 1970.")
	healthy      = metric("healthy", "Whether there are no problems.")
	problem      = metric("problem", "A problem, as hybrid status shows it; it is gone when the problem is.", "kind", "part", "severity", "cluster", "object", "command")

	clusterUp         = metric("cluster_up", "Whether the cluster's API answers.", "cluster")
	clusterInfo       = metric("cluster_info", "The cluster's cloud, region and version of Kubernetes.", "cluster", "cloud", "region", "version", "federation_host")
	snapshotLast      = metric("etcd_snapshot_last_timestamp_seconds", "When the last snapshot of the cluster's etcd was sent to the bucket, in Unix time.", "cluster")
	snapshotRehearsed = metric("etcd_snapshot_rehearsal_timestamp_seconds", "When a restore of the cluster's etcd was last rehearsed well, in Unix time.", "cluster")
	snapshotNumber    = metric("etcd_snapshots", "How many snapshots of the cluster's etcd are in the bucket.", "cluster")
	nodeReady         = metric("node_ready", "Whether the node is Ready; 0 also if its cluster does not answer.", "cluster", "node")
	nodePods          = metric("node_pods", "Pods on the node.", "cluster", "node")
	nodePodsOK        = metric("node_pods_ok", "Pods on the node that are ready or have completed.", "cluster", "node")

	meshAddresses   = metric("mesh_addresses", "Addresses that the mesh has for pods.")
	meshLost        = metric("mesh_lost_addresses", "Addresses that belong to a peer that no other reaches.", "peer", "node")
	meshLinks       = metric("mesh_links", "Links between the nodes of two clusters, or of one, by state.", "cluster", "other", "state")
	peerUp          = metric("mesh_peer_up", "Whether the node's Weave Net answers.", "cluster", "node")
	peerReady       = metric("mesh_peer_ready", "Whether the peer has addresses to give.", "cluster", "node")
	peerEstablished = metric("mesh_peer_connections_established", "Connections of the peer that are established.", "cluster", "node")
	peerEncrypted   = metric("mesh_peer_connections_encrypted", "Connections of the peer that are established and encrypted.", "cluster", "node")
	peerPending     = metric("mesh_peer_connections_pending", "Connections that the peer tries to make.", "cluster", "node")
	peerShare       = metric("mesh_peer_addresses_ratio", "The peer's share of the mesh's addresses.", "cluster", "node")

	federationUp       = metric("federation_up", "Whether the federation's API answers. If not, what it said last is told.")
	memberReady        = metric("federation_member_ready", "Whether the federation says that the cluster is ready.", "cluster")
	federationPolicies = metric("federation_policies", "Policies of the federation that place objects.")
	placementApplied   = metric("federation_object_applied", "Whether the object is in the cluster.", "cluster", "namespace", "kind", "name")
	replicasWanted     = metric("federation_replicas_wanted", "Pods of the object that the federation wants in the cluster.", "cluster", "namespace", "kind", "name")
	replicasPlaced     = metric("federation_replicas_placed", "Pods of the object that are in the cluster.", "cluster", "namespace", "kind", "name")
	replicasReady      = metric("federation_replicas_ready", "Pods of the object that are ready in the cluster.", "cluster", "namespace", "kind", "name")
	unplaced           = metric("federation_replicas_unplaced", "Pods of the object that have no place in any cluster.", "namespace", "kind", "name")

	postgresUp         = metric("postgresql_up", "Whether there is a leader that answers and accepts writes.")
	postgresDurability = metric("postgresql_durability_info", "Which loss what is confirmed survives.", "durability")
	postgresKnowing    = metric("postgresql_knowing_replicas", "How many of the electable replicas together surely know the last confirmed commit.")
	leaderInfo         = metric("postgresql_leader_info", "The leader.", "cluster", "node", "namespace", "pod", "version")
	leaderTimeline     = metric("postgresql_timeline", "The leader's timeline: it grows with each failover.")
	replicaInfo        = metric("postgresql_replica_info", "A replica's node, state and kind of commit.", "cluster", "node", "pod", "address", "state", "sync")
	replicaOK          = metric("postgresql_replica_ok", "Whether the replica streams, doesn't lag and is ready.", "cluster", "pod", "address")
	replicaElectable   = metric("postgresql_replica_electable", "Whether the replica may lead without force.", "cluster", "pod", "address")
	replicaBytes       = metric("postgresql_replica_lag_bytes", "What the replica has still to replay.", "cluster", "pod", "address")
	replicaSeconds     = metric("postgresql_replica_lag_seconds", "How old the replica's state is.", "cluster", "pod", "address")
	replicaSilent      = metric("postgresql_replica_silent_seconds", "How long the leader hasn't heard of the replica.", "cluster", "pod", "address")
	backupLast         = metric("postgresql_backup_last_timestamp_seconds", "When the last backup of the database ended, in Unix time.")
	backupRehearsed    = metric("postgresql_backup_rehearsal_timestamp_seconds", "When a restore of the database was last rehearsed well, in Unix time.")
	backupNumber       = metric("postgresql_backups", "How many backups of the database there are.")
	backupLag          = metric("postgresql_archive_lag_seconds", "How long the first finished segment of the log has waited for the bucket.")
	risk               = metric("postgresql_risk", "The database isn't protected against the loss of the cluster.", "cluster", "chosen")

	nameServerUp = metric("zone_name_server_up", "Whether the name server answers for the zone.", "zone", "name_server")
)

// gather calls put with each metric of a snapshot.
func gather(s *observe.Snapshot, put func(d *prometheus.Desc, value float64, labels ...string)) {
	severities := map[string]observe.Severity{}
	for _, j := range observe.Judgements() {
		severities[j.Name] = j.Severity
	}
	put(snapshotTime, float64(s.Time.UnixMilli())/1000)
	put(healthy, yes(s.Healthy))
	for _, p := range s.Problems {
		put(problem, 1, p.Kind, p.Part, string(severities[p.Kind]), p.Cluster, p.Object, p.Command)
	}
	for _, c := range s.Clusters {
		put(clusterUp, yes(c.Reachable), c.Name)
		put(clusterInfo, 1, c.Name, c.Cloud, c.Region, c.Version, word(c.FederationHost))
		if e := c.Snapshots; e != nil {
			put(snapshotNumber, float64(e.Number), c.Name)
			if e.Last != nil {
				put(snapshotLast, float64(e.Last.Unix()), c.Name)
			}
			if e.Rehearsed != nil {
				put(snapshotRehearsed, float64(e.Rehearsed.Unix()), c.Name)
			}
		}
		for _, n := range c.Nodes {
			put(nodeReady, yes(n.Ready), c.Name, n.Name)
			if c.Reachable {
				well := 0
				for _, pod := range n.Pods {
					well += int(yes(pod.OK))
				}
				put(nodePods, float64(len(n.Pods)), c.Name, n.Name)
				put(nodePodsOK, float64(well), c.Name, n.Name)
			}
		}
	}
	if s.Mesh.Installed {
		gatherMesh(&s.Mesh, put)
	}
	if s.Federation.Installed {
		gatherFederation(&s.Federation, put)
	}
	if s.PostgreSQL.Installed {
		gatherPostgreSQL(&s.PostgreSQL, put)
	}
	for _, n := range s.Zone.NameServers {
		put(nameServerUp, yes(n.Answers), s.Zone.Domain, n.Name)
	}
}

func gatherMesh(m *observe.Mesh, put func(d *prometheus.Desc, value float64, labels ...string)) {
	put(meshAddresses, float64(m.Range))
	for _, l := range m.Lost {
		put(meshLost, float64(l.Addresses), l.Name, l.Node)
	}
	for _, b := range m.Between {
		for _, state := range observe.LinkStates {
			put(meshLinks, float64(b.Count[state]), b.A, b.B, string(state))
		}
	}
	for _, p := range m.Peers {
		put(peerUp, yes(p.Answers), p.Cluster, p.Node)
		if p.Answers {
			put(peerReady, yes(p.Ready), p.Cluster, p.Node)
			put(peerEstablished, float64(p.Established), p.Cluster, p.Node)
			put(peerEncrypted, float64(p.Encrypted), p.Cluster, p.Node)
			put(peerPending, float64(p.Pending), p.Cluster, p.Node)
			put(peerShare, p.Share, p.Cluster, p.Node)
		}
	}
}

func gatherFederation(f *observe.Federation, put func(d *prometheus.Desc, value float64, labels ...string)) {
	put(federationUp, yes(f.Reachable))
	put(federationPolicies, float64(len(f.Policies)))
	for _, m := range f.Members {
		put(memberReady, yes(m.Ready), m.Cluster)
	}
	for _, x := range f.Placements {
		wanted := 0
		for _, c := range x.Clusters {
			put(placementApplied, yes(c.Applied), c.Cluster, x.Namespace, x.Kind, x.Name)
			if x.Replicas > 0 {
				wanted += c.Wanted
				put(replicasWanted, float64(c.Wanted), c.Cluster, x.Namespace, x.Kind, x.Name)
				put(replicasPlaced, float64(c.Placed), c.Cluster, x.Namespace, x.Kind, x.Name)
				put(replicasReady, float64(c.Ready), c.Cluster, x.Namespace, x.Kind, x.Name)
			}
		}
		if x.Replicas > 0 {
			put(unplaced, float64(max(0, x.Replicas-wanted)), x.Namespace, x.Kind, x.Name)
		}
	}
}

func gatherPostgreSQL(p *observe.PostgreSQL, put func(d *prometheus.Desc, value float64, labels ...string)) {
	put(postgresUp, yes(p.Leader != nil && p.Error == ""))
	put(postgresKnowing, float64(p.Knowing))
	if p.Durability != "" {
		put(postgresDurability, 1, p.Durability)
	}
	if l := p.Leader; l != nil {
		put(leaderInfo, 1, l.Cluster, l.Node, l.Namespace, l.Pod, l.Version)
		if l.Timeline > 0 {
			put(leaderTimeline, float64(l.Timeline))
		}
	}
	if b := p.Backup; b != nil {
		put(backupNumber, float64(b.Number))
		put(backupLag, b.LagSeconds)
		if b.Last != nil {
			put(backupLast, float64(b.Last.Unix()))
		}
		if b.Rehearsed != nil {
			put(backupRehearsed, float64(b.Rehearsed.Unix()))
		}
	}
	for name, r := range told(p.Replicas) {
		put(replicaInfo, 1, r.Cluster, r.Node, name[1], name[2], r.State, r.Sync)
		put(replicaOK, yes(r.OK), name[:]...)
		put(replicaElectable, yes(r.Electable), name[:]...)
		put(replicaSilent, r.SilentSeconds, name[:]...)
		if r.LagBytes != nil {
			put(replicaBytes, float64(*r.LagBytes), name[:]...)
		}
		if r.LagSeconds != nil {
			put(replicaSeconds, *r.LagSeconds, name[:]...)
		}
	}
	clusters := map[string]observe.Risk{} // a cluster has one
	for _, r := range p.Risks {
		clusters[r.Cluster] = r
	}
	for _, name := range slices.Sorted(maps.Keys(clusters)) {
		put(risk, 1, name, word(clusters[name].Chosen))
	}
}

// told are the replicas by what tells them apart: cluster, pod, and the address of those
// whose pod isn't known. Of some in a cluster that doesn't answer nothing is known but
// their number: they are one.
func told(all []observe.Stream) map[[3]string]observe.Stream {
	by := map[[3]string]observe.Stream{}
	for _, r := range all {
		name := [3]string{r.Cluster, r.Pod, ""}
		if r.Pod == "" {
			name[2] = r.Address
		}
		by[name] = r
	}
	return by
}

// yes is 1 if so.
func yes(so bool) float64 {
	if so {
		return 1
	}
	return 0
}

// word is a label's value.
func word(so bool) string {
	if so {
		return "true"
	}
	return "false"
}
