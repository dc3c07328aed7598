// Package buckets is the folder by which the lab's S3 server knows what the simulated
// clouds have of buckets and keys, a file for each cloud. The clouds write it, the server
// reads it with each request: neither needs the other to be there.
package buckets

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
)

// Folder is the name of the folder of all that is about buckets, beside the clouds' own
// files. Grants and Data are folders in it: what the clouds say, and what the server keeps.
const (
	Folder = "s3"
	Grants = "grants"
	Data   = "data"
)

// objects is where the server keeps what is in buckets, in Data: a folder for each.
const objects = "objects"

// Statement allows those with the keys to do something in a bucket. It is what S3 takes
// as part of a bucket's policy.
type Statement struct {
	Effect    string
	Principal map[string][]string // "AWS": access keys
	Action    []string
	Resource  []string
}

// Policy is a bucket's.
type Policy struct {
	Version   string
	Statement []Statement
}

// Cloud is what one of them has.
type Cloud struct {
	// Buckets have a policy each; nil where none may enter.
	Buckets map[string]*Policy `json:"buckets"`
	// Keys are secret keys by access keys.
	Keys map[string]string `json:"keys"`
}

// New is a cloud without any.
func New() Cloud { return Cloud{Buckets: map[string]*Policy{}, Keys: map[string]string{}} }

// Allow adds statements to the policy of a bucket, if the cloud has one of that name.
func (c Cloud) Allow(bucket string, statements ...Statement) {
	policy, ok := c.Buckets[bucket]
	if !ok {
		return
	}
	if policy == nil {
		policy = &Policy{Version: "2012-10-17"}
		c.Buckets[bucket] = policy
	}
	policy.Statement = append(policy.Statement, statements...)
}

// What vendors without policies of S3's kind let those in for who may read a bucket, or
// write into it.
var (
	reading = [2][]string{{"s3:ListBucket"}, {"s3:GetObject"}}
	writing = [2][]string{
		{"s3:ListBucket", "s3:ListBucketMultipartUploads"},
		{"s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"},
	}
)

// Reading lets those with the keys read a bucket.
func Reading(bucket string, keys []string) []Statement { return statements(bucket, keys, reading) }

// Writing lets them write into it, too.
func Writing(bucket string, keys []string) []Statement { return statements(bucket, keys, writing) }

func statements(bucket string, keys []string, actions [2][]string) (out []Statement) {
	if len(keys) == 0 {
		return nil
	}
	for i, resource := range []string{bucket, bucket + "/*"} {
		out = append(out, Statement{
			Effect: "Allow", Principal: map[string][]string{"AWS": keys}, Action: actions[i], Resource: []string{"arn:aws:s3:::" + resource},
		})
	}
	return out
}

// Write says what a cloud has. dir is the folder of the clouds' files.
func Write(dir, cloud string, has Cloud) error {
	folder := filepath.Join(dir, Folder, Grants)
	if err := Ensure(dir); err != nil {
		return err
	}
	text, err := json.Marshal(has)
	if err != nil {
		return err
	}
	path := filepath.Join(folder, cloud+".json")
	if now, err := os.ReadFile(path); err == nil && string(now) == string(text) {
		return nil
	}
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// Read reads what Write has written of a cloud.
func Read(dir, cloud string) (has Cloud, err error) {
	text, err := os.ReadFile(filepath.Join(dir, Folder, Grants, cloud+".json"))
	if err == nil {
		err = json.Unmarshal(text, &has)
	}
	return has, err
}

// Ensure makes the folders.
func Ensure(dir string) error {
	return errors.Join(os.MkdirAll(filepath.Join(dir, Folder, Grants), 0o700), os.MkdirAll(filepath.Join(dir, Folder, Data), 0o700))
}

// Leave removes a bucket with all that is in it. One that isn't empty stays, and refused
// is the error, unless it is forced.
func Leave(dir, bucket string, force bool, refused error) error {
	entries, err := os.ReadDir(path(dir, bucket))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if !force && slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() != temporary }) {
		return refused
	}
	return errors.Join(os.RemoveAll(path(dir, bucket)), os.RemoveAll(filepath.Join(dir, Folder, Data, "meta", bucket)))
}

// temporary is the server's own folder in each bucket.
const temporary = ".sgwtmp"

func path(dir, bucket string) string { return filepath.Join(dir, Folder, Data, objects, bucket) }
