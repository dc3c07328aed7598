package stack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"hybrid/lab/system/docker"
	"hybrid/lab/system/paths"
)

// interruptGrace is how long `pulumi` may take to record what it was doing
// after an interrupt before it is killed.
const interruptGrace = time.Minute

// Init makes the stack ready for use: it exists, no dead process holds its
// lock, and its state can be read. It returns what it had to mend.
func (s *Stack) Init(ctx context.Context) (mended []string, err error) {
	for _, dir := range []string{s.backend(), s.home()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
	}
	unlocked, err := s.unlock()
	if err != nil {
		return nil, err
	}
	restored, err := s.restore()
	if err != nil {
		return nil, err
	}
	_, err = s.Output(ctx, "stack", "select", "--create", paths.Stack)
	return append(unlocked, restored...), err
}

// unlock removes the locks of processes that are gone, and fails if one lives.
func (s *Stack) unlock() (mended []string, err error) {
	locks, err := filepath.Glob(filepath.Join(s.backend(), ".pulumi", "locks", "*", "*", paths.Stack, "*.json"))
	if err != nil {
		return nil, err
	}
	for _, path := range locks {
		text, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, err
		}
		var lock struct {
			Pid      int
			Hostname string
		}
		host, err := os.Hostname()
		if err != nil {
			return nil, err
		}
		if json.Unmarshal(text, &lock) == nil && (lock.Hostname != host || docker.Program(lock.Pid) == "pulumi") {
			return nil, fmt.Errorf("the stack is in use by process %d on %s: wait for it, or stop it and try again", lock.Pid, lock.Hostname)
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
		mended = append(mended, fmt.Sprintf("removed the stack's lock of process %d, which is gone", lock.Pid))
	}
	return mended, nil
}

// restore takes the backup where a crash has left a state that can't be read.
func (s *Stack) restore() (mended []string, err error) {
	files, err := filepath.Glob(filepath.Join(s.backend(), ".pulumi", "stacks", "*", paths.Stack+".json"))
	if err != nil {
		return nil, err
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if json.Valid(text) {
			continue
		}
		backup, err := os.ReadFile(path + ".bak")
		if err != nil || !json.Valid(backup) {
			// Without any record the clouds can't be compared with the state.
			return nil, fmt.Errorf("%s and its backup can't be read: `make down` clears the lab away", path)
		}
		if err := os.WriteFile(path, backup, 0o600); err != nil {
			return nil, err
		}
		mended = append(mended, "took the stack's state from its backup, since a killed run had left half of it")
	}
	return mended, nil
}

// WriteKubeconfig writes the stack's kubeconfig output to its file, readable
// by the user alone, or removes the file if the stack has no such output.
func (s *Stack) WriteKubeconfig(ctx context.Context) error {
	out, err := s.Output(ctx, "stack", "output", "--json", "--show-secrets")
	if err != nil {
		return err
	}
	var outputs struct{ Kubeconfig string }
	if err := json.NewDecoder(bytes.NewReader(out)).Decode(&outputs); err != nil {
		return fmt.Errorf("reading the stack's outputs: %w", err)
	}
	path := s.Kubeconfig()
	if outputs.Kubeconfig == "" {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return nil
	}
	return replace(path, outputs.Kubeconfig)
}

// replace writes a file, for its owner only, which is never seen half written. Several may
// do so at the same time, so each has a file of its own: every kubectl brings a stale
// kubeconfig up to date.
func replace(path, text string) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// KubeconfigStale says whether the stack has changed since its kubeconfig was
// written: a plain `pulumi up` doesn't write it.
func (s *Stack) KubeconfigStale() bool {
	written, err := os.Stat(s.Kubeconfig())
	if err != nil {
		return true
	}
	files, err := filepath.Glob(filepath.Join(s.backend(), ".pulumi", "stacks", "*", paths.Stack+".json"))
	for _, path := range files {
		if changed, err := os.Stat(path); err == nil && changed.ModTime().After(written.ModTime()) {
			return true
		}
	}
	return err != nil
}
