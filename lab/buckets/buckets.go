// Package buckets is the folder by which the lab's S3 server knows what the simulated
// clouds have of buckets and keys, a file for each cloud. The clouds write it, the server
// reads it with each request: neither needs the other to be there.
package buckets

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
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

// Ensure makes the folders.
func Ensure(dir string) error {
	return errors.Join(os.MkdirAll(filepath.Join(dir, Folder, Grants), 0o700), os.MkdirAll(filepath.Join(dir, Folder, Data), 0o700))
}

// Empty says whether a bucket has no objects.
func Empty(dir, bucket string) (bool, error) {
	entries, err := os.ReadDir(path(dir, bucket))
	if errors.Is(err, os.ErrNotExist) {
		return true, nil
	}
	for _, e := range entries {
		if e.Name() != temporary {
			return false, err
		}
	}
	return true, err
}

// temporary is the server's own folder in each bucket.
const temporary = ".sgwtmp"

// Remove removes a bucket with all that is in it.
func Remove(dir, bucket string) error {
	return errors.Join(os.RemoveAll(path(dir, bucket)), os.RemoveAll(filepath.Join(dir, Folder, Data, "meta", bucket)))
}

func path(dir, bucket string) string { return filepath.Join(dir, Folder, Data, objects, bucket) }
