package observe

import "slices"

// Judgement is one of the ways in which something may not be as it should be. Each
// problem of a snapshot is of one, and for each there is an alert.
type Judgement struct {
	// Name is unique, such as NodeNotReady.
	Name string
	// Part is what it is about: see [Problem].
	Part string
	// Summary is what it says of $cluster and $object, which are the problem's. It has
	// no numbers: those change while the problem stays the same.
	Summary string
	// Severity is Critical or Warning.
	Severity Severity
}

// Severity says how soon something is to be done.
type Severity string

// The severities, by the names that alerts usually have.
const (
	Critical Severity = "critical" // something doesn't work
	Warning  Severity = "warning"  // it works, and the next fault may end that
)

var judgements []*Judgement

// Judgements are all that there are.
func Judgements() []*Judgement { return slices.Clone(judgements) }

func judgement(severity Severity, part, name, summary string) *Judgement {
	j := &Judgement{Name: name, Part: part, Summary: summary, Severity: severity}
	judgements = append(judgements, j)
	return j
}

// The judgements of each part.
var (
	clusterMisconfigured = judgement(Critical, "cluster", "ClusterMisconfigured", "the kubeconfig's context of cluster $cluster can't be used")
	clusterUnreachable   = judgement(Critical, "cluster", "ClusterUnreachable", "the API of cluster $cluster does not answer")
	clusterDenied        = judgement(Warning, "cluster", "ClusterDenied", "cluster $cluster refuses to list its nodes or pods")
	snapshotOld          = judgement(Critical, "cluster", "SnapshotOld", "the last snapshot of etcd of cluster $cluster is older than the settings allow, or there is none")
	snapshotUnfit        = judgement(Critical, "cluster", "SnapshotUnfit", "the last rehearsal of a restore of etcd of cluster $cluster has failed, or was too long ago")

	certificatesEnd = judgement(Warning, "cluster", "CertificatesEnd", "certificates of $object end within a month")

	nodeNotReady  = judgement(Critical, "node", "NodeNotReady", "node $object of $cluster is not ready")
	rebootPending = judgement(Warning, "node", "RebootPending", "node $object of $cluster waits for a reboot")

	meshCutOff              = judgement(Critical, "mesh", "MeshClusterCutOff", "the links from $cluster to other clusters are down or not confirmed: it does not answer")
	meshAlone               = judgement(Critical, "mesh", "MeshClusterAlone", "all links from $cluster to other clusters are down")
	meshLinksDown           = judgement(Critical, "mesh", "MeshLinksDown", "links between $cluster and $object are down")
	meshUnencrypted         = judgement(Critical, "mesh", "MeshLinksUnencrypted", "links between $cluster and $object are not encrypted")
	meshPeersSilent         = judgement(Warning, "mesh", "MeshPeersSilent", "peers of $cluster do not answer")
	meshPeersWithoutAddress = judgement(Critical, "mesh", "MeshPeersWithoutAddresses", "peers of $cluster have no addresses to give")
	meshAddressesLost       = judgement(Warning, "mesh", "MeshAddressesLost", "addresses belong to $object, which no peer reaches")

	federationMisconfigured = judgement(Critical, "federation", "FederationMisconfigured", "the kubeconfig's context of the federation can't be used")
	federationUnreachable   = judgement(Critical, "federation", "FederationUnreachable", "the federation's API does not answer")
	memberNotReady          = judgement(Critical, "federation", "MemberNotReady", "member $cluster of the federation is not ready")
	memberMissing           = judgement(Critical, "federation", "MemberMissing", "$cluster is not a member of the federation")
	placementImpossible     = judgement(Critical, "federation", "PlacementImpossible", "$object has too few places")
	placementUnknown        = judgement(Warning, "federation", "PlacementUnknown", "$object is wanted in $cluster, which does not answer")
	placementNotApplied     = judgement(Warning, "federation", "PlacementNotApplied", "$object is not in $cluster")
	placementNotReady       = judgement(Warning, "federation", "PlacementNotReady", "fewer pods of $object are ready in $cluster than wanted")

	leaderMissing       = judgement(Critical, "postgresql", "PostgreSQLLeaderMissing", "there is no leader")
	leaderNotWell       = judgement(Critical, "postgresql", "PostgreSQLLeaderNotWell", "the leader $object of $cluster does not answer, is not ready, or accepts no writes")
	twoWriters          = judgement(Critical, "postgresql", "PostgreSQLTwoWriters", "more than one server takes writes: $object")
	commitsWait         = judgement(Critical, "postgresql", "PostgreSQLCommitsWait", "commits wait for replicas")
	replicaNotWell      = judgement(Warning, "postgresql", "PostgreSQLReplicaNotWell", "replica $object of $cluster does not stream, lags, or isn't ready")
	replicasUnreachable = judgement(Warning, "postgresql", "PostgreSQLReplicasUnreachable", "replicas of $cluster may lag: it does not answer")
	patroniSilent       = judgement(Warning, "postgresql", "PatroniSilent", "Patroni in $cluster does not answer")
	patroniRefused      = judgement(Warning, "postgresql", "PatroniRefused", "Patroni in $cluster can't ask all others, which a failover needs")
	patroniPaused       = judgement(Warning, "postgresql", "PatroniPaused", "Patroni is paused: there is no failover")
	unprotected         = judgement(Warning, "postgresql", "PostgreSQLUnprotected", "not protected against the loss of $object")

	backupOld   = judgement(Critical, "postgresql", "PostgreSQLBackupOld", "the last backup of the database is older than the settings allow, or there is none")
	backupUnfit = judgement(Critical, "postgresql", "PostgreSQLBackupUnfit", "the last rehearsal of a restore of the database has failed, or was too long ago")
	archiveLags = judgement(Critical, "postgresql", "PostgreSQLArchiveLags", "what has been committed doesn't get to the bucket, or the log there has a gap")

	podNotWell = judgement(Warning, "pod", "PodNotWell", "pod $object of $cluster is not well")

	nameServerSilent = judgement(Warning, "zone", "NameServerSilent", "name server $object does not answer for the zone")
)
