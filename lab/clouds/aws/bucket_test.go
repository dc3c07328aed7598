package aws

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hybrid/lab/buckets"
	"hybrid/lab/clouds/cloud/cloudtest"
)

const testPolicy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:ListBucket"],"Resource":"arn:aws:s3:::mine"},
 {"Effect":"Allow","Action":"s3:GetObject","Resource":["arn:aws:s3:::mine/*","arn:aws:s3:::theirs/*"]}]}`

// granted is what the S3 server is told.
func granted(t *testing.T, dir string) buckets.Cloud {
	t.Helper()
	has, err := buckets.Read(dir, "aws")
	if err != nil {
		t.Fatal(err)
	}
	return has
}

// Keys may do what their user's policies allow, in buckets that there are.
func TestGrants(t *testing.T) {
	e := engine(t)
	e.Make(typeBucket, "bucket", m{"bucket": "mine"})
	user, _ := e.Make(typeUser, "user", m{})
	e.Make(typeUserPolicy, "policy", m{"user": user, "policy": testPolicy})
	if has := granted(t, e.Dir); has.Buckets["mine"] != nil || len(has.Buckets) != 1 || len(has.Keys) != 0 {
		t.Errorf("without a key %+v may enter", has)
	}
	one, _ := e.Make(typeAccessKey, "one", m{"user": user})
	two, _ := e.Make(typeAccessKey, "two", m{"user": user})
	has := granted(t, e.Dir)
	text, err := json.Marshal(has.Buckets["mine"])
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{one, two, `"Action":["s3:ListBucket"],"Resource":["arn:aws:s3:::mine"]`, `"Action":["s3:GetObject"],"Resource":["arn:aws:s3:::mine/*"]`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the policy lacks %s: %s", want, text)
		}
	}
	if strings.Contains(string(text), "theirs") || has.Keys[one] == "" || has.Keys[one] == has.Keys[two] {
		t.Errorf("granted is %+v", has)
	}
	_, _, err = e.Try(typeAccessKey, "three", m{"user": user})
	cloudtest.WantError(t, err, "LimitExceeded")
	e.Refresh(typeAccessKey, "two") // so that it counts as known, and not as left behind
	cloudtest.WantError(t, e.Delete(typeUser, "user"), "DeleteConflict")
	if err := e.Delete(typeAccessKey, "one"); err != nil {
		t.Fatal(err)
	}
	if has := granted(t, e.Dir); has.Keys[one] != "" || has.Keys[two] == "" {
		t.Errorf("after its deletion the key is among %v", has.Keys)
	}
}

// A bucket that isn't empty stays, unless it is forced.
func TestBucketsWithObjects(t *testing.T) {
	e := engine(t)
	for name, force := range map[string]bool{"kept": false, "forced": true} {
		e.Make(typeBucket, name, m{"bucket": name, "forceDestroy": force})
		dir := filepath.Join(e.Dir, buckets.Folder, buckets.Data, "objects", name)
		if err := os.MkdirAll(filepath.Join(dir, "postgres"), 0o700); err != nil {
			t.Fatal(err)
		}
		err := e.Delete(typeBucket, name)
		_, gone := os.Stat(dir)
		if force && (err != nil || !os.IsNotExist(gone)) {
			t.Errorf("forced: %v, %v", err, gone)
		}
		if !force {
			cloudtest.WantError(t, err, "BucketNotEmpty")
			if gone != nil {
				t.Error("what was in the bucket is gone")
			}
		}
	}
	e.WantProblem(typeBucket, "InvalidBucketName", m{"bucket": "Mine"})
	e.WantProblem(typeUserPolicy, "MalformedPolicyDocument", m{"user": "x", "policy": "{"})
	e.WantProblem(typeUserPolicy, "the lab simulates statements that allow", m{"user": "x", "policy": `{"Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}`})
}
