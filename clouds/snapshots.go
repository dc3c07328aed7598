package clouds

import (
	_ "embed"
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Snapshots says where snapshots of clusters' etcd go, and when. They are sent by restic,
// see https://restic.readthedocs.io.
type Snapshots struct {
	// Bucket is the bucket's name, Endpoint that of its S3 service, with a port if it isn't
	// 443, and Region the one that requests are signed for.
	Bucket           pulumi.StringOutput
	Endpoint, Region string
	// Authority is the certificate, PEM, of who signs the service's; empty: a public one.
	Authority string
	// AccessKey and SecretKey enter the bucket. Secret.
	AccessKey, SecretKey pulumi.StringOutput
	// Key encrypts a cluster's snapshots. Secret.
	Key func(cluster string) pulumi.StringOutput
	// Minutes are between two snapshots. All of the last day are kept, and one of each day
	// for so many Days. A restore is rehearsed every so many Hours.
	Minutes, Days, Hours int
}

// sender sends snapshots: a script that a timer of the control plane runs.
//
//go:embed scripts/node/send-snapshot.sh
var sender string

// snapshots has snapshots of etcd sent, if there are backups, and fetches the last one if
// the machine takes the place of a lost one. init goes on from there.
func (b *bootstrap) snapshots(control *host) ([]pulumi.Resource, error) {
	to := b.args.Snapshots
	if to == nil {
		return nil, nil
	}
	params := pulumi.All(to.Bucket, to.AccessKey, to.SecretKey, to.Key(b.cluster), b.born, control.Machine, control.PrivateAddress).ApplyT(func(v []any) map[string]string {
		text := func(i int) string { return v[i].(string) }
		settings := assign(map[string]string{
			"CLUSTER": b.cluster, "NODE": control.Name, "LIFE": text(4), "REGION": to.Region,
			"MINUTES": fmt.Sprint(to.Minutes), "DAYS": fmt.Sprint(to.Days), "HOURS": fmt.Sprint(to.Hours),
			"RESTIC_REPOSITORY": fmt.Sprintf("s3:https://%s/%s/etcd/%s", to.Endpoint, text(0), b.cluster),
			"RESTIC_PASSWORD":   text(3), "AWS_ACCESS_KEY_ID": text(1), "AWS_SECRET_ACCESS_KEY": text(2),
		})
		return map[string]string{
			"SETTINGS": settings, "AUTHORITY": to.Authority, "SNAPSHOT": timed(sender),
			"NODE": control.Name, "ADDRESS": text(6), "VERSION": b.args.version(), "LIFE": text(4), "MACHINE": text(5),
		}
	}).(pulumi.StringMapOutput)
	made, err := b.run(control, step{
		script: "snapshots", after: pulumi.StringArray{id(control.prepared)}, timeout: "20m",
		params: params,
	})
	return []pulumi.Resource{made}, err
}
