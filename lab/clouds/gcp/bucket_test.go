package gcp

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hybrid/lab/buckets"
	"hybrid/lab/clouds/cloud/cloudtest"
	"hybrid/lab/plugins/provider"
)

// Keys of an account enter the buckets that it has a role in.
func TestBuckets(t *testing.T) {
	e := engine(t)
	bucket, _ := e.Make(typeBucket, "bucket", m{"location": "us-west1", "uniformBucketLevelAccess": true, "publicAccessPrevention": "enforced"})
	e.Make(typeBucket, "other", m{"name": "other", "location": "us-west1"})
	e.Make(typeBucket, "third", m{"name": "third", "location": "us-west1"})
	_, account := e.Make(typeAccount, "account", m{"accountId": "hybrid-dev-backup"})
	member, email := provider.Str(account, "member"), provider.Str(account, "email")
	e.Make(typeBucketMember, "access", m{"bucket": bucket, "role": "roles/storage.objectAdmin", "member": member})
	e.Make(typeBucketMember, "reading", m{"bucket": "other", "role": "roles/storage.objectViewer", "member": member})
	_, key := e.Make(typeHmacKey, "key", m{"serviceAccountEmail": email})
	access := provider.Str(key, "accessId")
	has, err := buckets.Read(e.Dir, "gcp")
	if err != nil {
		t.Fatal(err)
	}
	if secret := provider.Plain(key["secret"]); !key["secret"].IsSecret() || has.Keys[access] != secret.StringValue() {
		t.Errorf("the keys are %v", has.Keys)
	}
	for name, want := range map[string]int{bucket: 2, "other": 2, "third": 0} {
		n := 0
		if p := has.Buckets[name]; p != nil {
			n = len(p.Statement)
		}
		if n != want {
			t.Errorf("bucket %s has %d statements, want %d", name, n, want)
		}
	}
	if text, err := json.Marshal(has.Buckets["other"]); err != nil || strings.Contains(string(text), "PutObject") {
		t.Errorf("who may read may write: %s, %v", text, err)
	}
}

func TestBucketsRefuse(t *testing.T) {
	e := engine(t)
	e.WantProblem(typeBucket, "is no name of a bucket", m{"name": "Mine", "location": "us-west1"})
	e.WantProblem(typeBucket, "location constraint is not valid", m{"name": "mine", "location": "here"})
	e.WantProblem(typeBucket, "the lab doesn't simulate this property", m{"name": "mine", "location": "us-west1", "requesterPays": true})
	e.WantProblem(typeAccount, "expected 6 to 30", m{"accountId": "hybrid-a-name-that-is-too-long-backup"})
	e.WantProblem(typeBucketMember, "the lab doesn't simulate roles/owner", m{"bucket": "mine", "role": "roles/owner", "member": "serviceAccount:a@b"})
	_, _, err := e.Try(typeBucketMember, "access", m{"bucket": "mine", "role": "roles/storage.objectAdmin", "member": "serviceAccount:a@b"})
	cloudtest.WantError(t, err, "notFound")
	_, _, err = e.Try(typeHmacKey, "key", m{"serviceAccountEmail": "a@b"})
	cloudtest.WantError(t, err, "not found")
	e.Make(typeBucket, "bucket", m{"name": "mine", "location": "us-west1"})
	_, _, err = e.Try(typeBucketMember, "access", m{"bucket": "mine", "role": "roles/storage.objectAdmin", "member": "serviceAccount:a@b"})
	cloudtest.WantError(t, err, "does not exist")
	if err := os.MkdirAll(filepath.Join(e.Dir, buckets.Folder, buckets.Data, "objects", "mine", "postgres"), 0o700); err != nil {
		t.Fatal(err)
	}
	cloudtest.WantError(t, e.Delete(typeBucket, "bucket"), "containing objects")
}
