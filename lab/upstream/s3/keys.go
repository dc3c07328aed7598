package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend/meta"
)

// grants are what a cloud has: what lab/plugins/cloud writes.
type grants struct {
	// Buckets have a policy each, as S3 takes it, or null where none may enter.
	Buckets map[string]json.RawMessage `json:"buckets"`
	// Keys are secret keys by their access keys.
	Keys map[string]string `json:"keys"`
}

// keys answers who may enter. Files are read with each question: what a cloud has changed
// counts from then on.
type keys struct {
	dir, objects string
	attributes   meta.SideCar
	root         auth.Account

	mu sync.Mutex
}

// newAccount is the owner of all buckets, which no user is: each start has another one.
func newAccount() (auth.Account, error) {
	b := make([]byte, 32)
	if _, err := rand.Read(b); err != nil {
		return auth.Account{}, err
	}
	return auth.Account{Access: "root", Secret: fmt.Sprintf("%x", b), Role: auth.RoleAdmin}, nil
}

// GetUserAccount finds an account by its access key.
func (k *keys) GetUserAccount(access string) (auth.Account, error) {
	if access == k.root.Access {
		return k.root, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	files, err := filepath.Glob(filepath.Join(k.dir, "*.json"))
	if err != nil {
		return auth.Account{}, err
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		} else if err != nil {
			return auth.Account{}, err
		}
		var g grants
		if err := json.Unmarshal(text, &g); err != nil {
			return auth.Account{}, fmt.Errorf("%s: %w", path, err)
		}
		secret, ok := g.Keys[access]
		if !ok {
			continue
		}
		for name, policy := range g.Buckets {
			if err := k.keep(name, policy); err != nil {
				return auth.Account{}, fmt.Errorf("bucket %s: %w", name, err)
			}
		}
		return auth.Account{Access: access, Secret: secret, Role: auth.RoleUser}, nil
	}
	return auth.Account{}, auth.ErrNoSuchUser
}

// keep makes a bucket what the cloud says of it.
func (k *keys) keep(name string, policy json.RawMessage) error {
	if err := os.MkdirAll(filepath.Join(k.objects, name), 0o700); err != nil {
		return err
	}
	acl, err := json.Marshal(auth.ACL{Owner: k.root.Access})
	if err != nil {
		return err
	}
	want := map[string][]byte{"acl": acl, "ownership": []byte("BucketOwnerEnforced"), "policy": policy}
	for attribute, value := range want {
		now, err := k.attributes.RetrieveAttribute(nil, name, "", attribute)
		if string(now) == string(value) && (err == nil || errors.Is(err, meta.ErrNoSuchKey)) {
			continue
		}
		if len(value) == 0 || string(value) == "null" {
			if err := k.attributes.DeleteAttribute(name, "", attribute); err != nil && !errors.Is(err, meta.ErrNoSuchKey) {
				return err
			}
			continue
		}
		if err := k.attributes.StoreAttribute(nil, name, "", attribute, value); err != nil {
			return err
		}
	}
	return nil
}

// ResolveAccounts returns the access keys that there are none of.
func (k *keys) ResolveAccounts(access []string) ([]string, error) {
	missing := []string{}
	for _, a := range access {
		if _, err := k.GetUserAccount(a); errors.Is(err, auth.ErrNoSuchUser) {
			missing = append(missing, a)
		} else if err != nil {
			return nil, err
		}
	}
	return missing, nil
}

// errClouds is the answer to those who would change accounts here.
var errClouds = errors.New("keys are the clouds': make them there")

// CreateAccount does not.
func (*keys) CreateAccount(auth.Account) error { return errClouds }

// UpdateUserAccount does not.
func (*keys) UpdateUserAccount(string, auth.MutableProps) error { return errClouds }

// DeleteUserAccount does not.
func (*keys) DeleteUserAccount(string) error { return errClouds }

// ListUserAccounts does not.
func (*keys) ListUserAccounts() ([]auth.Account, error) { return nil, errClouds }

// Shutdown has nothing to do.
func (*keys) Shutdown() error { return nil }
