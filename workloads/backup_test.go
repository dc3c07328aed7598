package workloads

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"hybrid/backup"
	"hybrid/internal/mockcloud"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Members enter the bucket by a Secret, which all clusters with members get; without
// backups there is none, and pods are the same.
func TestBackupsOfDatabase(t *testing.T) {
	without := world(t, false, nil)
	r := world(t, false, func(a *PostgresArgs) {
		a.RestoreFrom = RestoreFrom{Bucket: "another", To: "2026-11-26T14:05:00Z"}
		a.Backup = &Backup{Settings: backup.DefaultSettings(), RestoreKey: pulumi.String("the-other-key"), Store: &backup.Store{
			Bucket: pulumi.String("mine").ToStringOutput(), Endpoint: "s3.example.org", Region: "eu", Authority: "CA",
			AccessKey: pulumi.ToSecret(pulumi.String("access")).(pulumi.StringOutput), SecretKey: pulumi.ToSecret(pulumi.String("sesame")).(pulumi.StringOutput),
			StackKey: pulumi.ToSecret(pulumi.String("the-key")).(pulumi.StringOutput),
		}}
	})
	secret := r.Find(t, "psql-psql-backup")
	if plain := mockcloud.Plain(secret.Inputs); strings.Contains(plain, "sesame") || strings.Contains(plain, "the-key") {
		t.Errorf("keys are in the clear:\n%s", plain)
	}
	data := at(resource.NewProperty(secret.Inputs), "stringData")
	for file, want := range map[string][]string{
		"pgbackrest.conf": {
			"repo1-s3-bucket=mine\n", "repo1-s3-endpoint=s3.example.org\n", "repo1-s3-region=eu\n", "repo1-s3-key=access\n", "repo1-s3-key-secret=sesame\n",
			"repo1-cipher-type=aes-256-cbc\nrepo1-cipher-pass=" + derived("the-key") + "\n", "repo1-storage-ca-file=/etc/psql/backup/ca.crt\n", "repo1-retention-full=2\n", "archive-push-queue-max=4GB\n",
		},
		"restore.conf": {"repo1-s3-bucket=another\n", "repo1-cipher-pass=" + derived("the-other-key") + "\n"},
		"restore-to":   {"2026-11-26T14:05:00Z"},
		"ca.crt":       {"CA"},
	} {
		got := show(at(data, file))
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("%s lacks %q:\n%s", file, w, got)
			}
		}
		if strings.Contains(got, "${") {
			t.Errorf("%s has a name that nothing is put in for:\n%s", file, got)
		}
	}
	if got := show(at(inputs(t, r, "psql-psql-shared-policy"), "spec", "resourceSelectors")); !strings.Contains(got, "name:psql-backup") {
		t.Errorf("the Secret goes nowhere: %s", got)
	}
	for _, name := range []string{"psql-psql-master kubernetes:apps/v1:StatefulSet", "psql-psql-replica kubernetes:apps/v1:ReplicaSet"} {
		if a, b := show(without.Made[name].Inputs["spec"]), show(r.Made[name].Inputs["spec"]); a != b || !strings.Contains(a, "psql-backup") {
			t.Errorf("%s is another one with backups:\n%s\n%s", name, a, b)
		}
	}
	if _, ok := without.Made["psql-psql-backup kubernetes:core/v1:Secret"]; ok {
		t.Error("there is a Secret without backups")
	}
}

// derived is the database's key, made of a stack's.
func derived(key string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte("postgres"))
	return fmt.Sprintf("%x", mac.Sum(nil))
}
