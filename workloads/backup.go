package workloads

import (
	_ "embed"
	"fmt"
	"os"

	"hybrid/backup"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// pgBackRest is its configuration, with ${names} of what differs between stacks.
//
//go:embed config/pgbackrest.conf
var pgBackRest string

// backupName is the Secret by which members enter the bucket. Without it there are no
// backups: its volume is optional, so that switching them on restarts nothing.
const backupName = "psql-backup"

// RestoreFrom says where a new database comes from.
type RestoreFrom struct {
	// Bucket is the name of one in the same cloud and region as the stack's own, which it
	// may be. Empty: the new database is an empty one.
	Bucket string `json:"bucket"`
	// To is the time to restore to (RFC 3339), or "latest".
	To string `json:"to"`
}

// purpose is what the database's key is for.
const purpose = "postgres"

// Latest is the end of what is in a bucket.
const Latest = "latest"

// Backup is how a database is backed up.
type Backup struct {
	backup.Settings
	// Store is the bucket.
	Store *backup.Store
	// RestoreKey is the key by which RestoreFrom's bucket is encrypted; nil: the store's.
	RestoreKey pulumi.StringInput
}

// backup makes the Secret, if there are backups.
func (b *builder) backup() error {
	if b.args.Backup == nil {
		return nil
	}
	store := b.args.Backup.Store
	data := pulumi.StringMap{
		"pgbackrest.conf": b.bucketConfig(store.Bucket, store.Key(purpose)),
		"max-wal":         pulumi.String(fmt.Sprint(b.args.Backup.MaxWALMegabytes())), // for pgbackrest-push.sh
	}
	if store.Authority != "" {
		data["ca.crt"] = pulumi.String(store.Authority)
	}
	if from := b.args.RestoreFrom; from.Bucket != "" {
		key := store.Key(purpose)
		if b.args.Backup.RestoreKey != nil {
			key = backup.Derive(b.args.Backup.RestoreKey, purpose)
		}
		data["restore.conf"] = b.bucketConfig(pulumi.String(from.Bucket), key)
		data["restore-to"] = pulumi.String(from.To)
	}
	return b.secret(backupName, data)
}

// bucketConfig is pgBackRest's configuration for a bucket.
func (b *builder) bucketConfig(bucket, key pulumi.StringInput) pulumi.StringOutput {
	store, authority := b.args.Backup.Store, ""
	if store.Authority != "" {
		authority = "repo1-storage-ca-file=/etc/psql/backup/ca.crt"
	}
	return pulumi.All(bucket, key, store.AccessKey, store.SecretKey).ApplyT(func(all []any) string {
		values := map[string]string{
			"endpoint": store.Endpoint, "region": store.Region, "authority": authority,
			"full": fmt.Sprint(b.args.Backup.Full),
		}
		for i, name := range []string{"bucket", "key", "accessKey", "secretKey"} {
			values[name] = all[i].(string)
		}
		return os.Expand(pgBackRest, func(name string) string { return values[name] })
	}).(pulumi.StringOutput)
}

// schedule is what scripts/pod/backup.py reads.
func (b *builder) schedule() map[string]int {
	if b.args.Backup == nil {
		return map[string]int{}
	}
	s := b.args.Backup.Settings
	return map[string]int{"fullHours": s.FullHours, "incrementalHours": s.IncrementalHours, "maxAgeHours": s.MaxAgeHours, "maxLagMinutes": s.MaxLagMinutes, "rehearsalHours": s.RehearsalHours}
}
