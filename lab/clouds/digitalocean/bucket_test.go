package digitalocean

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hybrid/lab/buckets"
	"hybrid/lab/clouds/cloud/cloudtest"
	"hybrid/lab/plugins/provider"
)

// owner is an engine whose provider has a key for all buckets, as the program's has.
func owner(t *testing.T) *cloudtest.Engine {
	t.Helper()
	config := m{}
	e := cloudtest.New(t, New, Package, config)
	_, key := e.Make(typeSpacesKey, "owner", m{"grants": []any{m{"bucket": "", "permission": fullAccess}}})
	config["spacesAccessId"], config["spacesSecretKey"] = provider.Str(key, "accessKey"), provider.Plain(key["secretKey"]).StringValue()
	e.Restart()
	e.Refresh(typeSpacesKey, "owner") // so that it counts as known, and not as left behind
	return e
}

// Keys enter the buckets that their grants say.
func TestSpaces(t *testing.T) {
	e := owner(t)
	bucket, _ := e.Make(typeSpacesBucket, "bucket", m{"region": "lon1", "acl": "private"})
	for _, name := range []string{"other", "third"} {
		e.Make(typeSpacesBucket, name, m{"name": name, "region": "lon1"})
	}
	access, key := e.Make(typeSpacesKey, "key", m{"grants": []any{m{"bucket": bucket, "permission": "readwrite"}, m{"bucket": "other", "permission": "read"}}})
	has, err := buckets.Read(e.Dir, "digitalocean")
	if err != nil {
		t.Fatal(err)
	}
	if secret := provider.Plain(key["secretKey"]); !key["secretKey"].IsSecret() || has.Keys[access] != secret.StringValue() || len(has.Keys) != 2 {
		t.Errorf("the keys are %v", has.Keys)
	}
	for name, want := range map[string][2]bool{bucket: {true, true}, "other": {true, false}, "third": {}} {
		reads, writes := false, false
		for _, s := range has.Buckets[name].Statement {
			if s.Principal["AWS"][0] == access {
				actions := strings.Join(s.Action, " ")
				reads, writes = reads || strings.Contains(actions, "GetObject"), writes || strings.Contains(actions, "PutObject")
			}
		}
		if reads != want[0] || writes != want[1] {
			t.Errorf("bucket %s is read: %t, written: %t, want %v", name, reads, writes, want)
		}
	}
}

func TestSpacesRefuse(t *testing.T) {
	e := engine(t)
	e.WantProblem(typeSpacesBucket, "expected region to be one of", m{"name": "mine", "region": "nyc1"})
	e.WantProblem(typeSpacesBucket, "InvalidBucketName", m{"name": "Mine", "region": "lon1"})
	e.WantProblem(typeSpacesKey, "expected read, readwrite or fullaccess", m{"grants": []any{m{"bucket": "mine", "permission": "write"}}})
	e.WantProblem(typeSpacesKey, "fullaccess is for all buckets", m{"grants": []any{m{"bucket": "mine", "permission": "fullaccess"}}})
	_, _, err := e.Try(typeSpacesBucket, "bucket", m{"name": "mine", "region": "lon1"})
	cloudtest.WantError(t, err, "has no credentials")
	_, _, err = e.Try(typeSpacesKey, "key", m{"grants": []any{m{"bucket": "mine", "permission": "read"}}})
	cloudtest.WantError(t, err, "could not be found")
	e = owner(t)
	e.Make(typeSpacesBucket, "bucket", m{"name": "mine", "region": "lon1"})
	if err := os.MkdirAll(filepath.Join(e.Dir, buckets.Folder, buckets.Data, "objects", "mine", "postgres"), 0o700); err != nil {
		t.Fatal(err)
	}
	cloudtest.WantError(t, e.Delete(typeSpacesBucket, "bucket"), "BucketNotEmpty")
}
