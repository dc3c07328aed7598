// Package lock lets one process at a time do what can be done by one only.
package lock

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"hybrid/lab/system/paths"
)

// Take excludes other goroutines and processes from what the name stands for. It
// ends with unlock, or with the process.
func Take(name string) (unlock func(), err error) {
	state, err := paths.State()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(state, "locks")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if err != syscall.EINTR {
			f.Close()
			return nil, fmt.Errorf("locking %s: %w", f.Name(), err)
		}
	}
}
