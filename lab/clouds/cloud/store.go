package cloud

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Store is a cloud's file. Several processes may use it: the engine starts a
// plugin for every region, and `lab` looks in.
type Store struct {
	path string
	// publish is told of each state before it is written. Nil if that is not wanted.
	publish func(*State) error
}

// NewStore returns the store of a cloud in a folder, which need not exist.
func NewStore(dir, cloud string) *Store {
	return &Store{path: filepath.Join(dir, cloud+".json")}
}

// View shows the state to a function.
func (s *Store) View(see func(*State) error) error {
	return s.locked(syscall.LOCK_SH, func() error {
		state, err := s.read()
		if err != nil {
			return err
		}
		return see(state)
	})
}

// Update lets a function change the state, and writes it if the function
// succeeds. The function must be quick: all others wait for it.
func (s *Store) Update(change func(*State) error) error {
	return s.locked(syscall.LOCK_EX, func() error {
		state, err := s.read()
		if err != nil {
			return err
		}
		if err := change(state); err != nil {
			return err
		}
		// Under the lock, so that an older state is never published last. And before
		// the state is written: after a kill in between, the change isn't done yet and
		// is made once more.
		if s.publish != nil {
			if err := s.publish(state); err != nil {
				return fmt.Errorf("publishing the simulated cloud's state: %w", err)
			}
		}
		return s.write(state)
	})
}

// locked holds the cloud's lock, which the kernel frees if the process dies.
// The lock is a file of its own since the state's is replaced.
func (s *Store) locked(how int, do func() error) error {
	if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
		return fmt.Errorf("the simulated cloud's state: %w", err)
	}
	return withLock(s.path+".lock", how, func(*os.File) error { return do() })
}

// withLock calls a function while it holds the lock of a file.
func withLock(path string, how int, do func(*os.File) error) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer f.Close() // frees the lock
	for {
		if err = syscall.Flock(int(f.Fd()), how); !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("locking %s: %w", path, err)
	}
	return do(f)
}

func (s *Store) read() (*State, error) {
	state := &State{}
	text, err := os.ReadFile(s.path)
	switch {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return nil, err
	default:
		if err := json.Unmarshal(text, state); err != nil {
			return nil, fmt.Errorf("the simulated cloud's state %s can't be read, `make down` clears it away: %w", s.path, err)
		}
	}
	state.init()
	return state, nil
}

// write replaces the file at once: a process killed while it writes leaves the
// former state. It doesn't wait for the disk: containers don't outlive a power
// failure either.
func (s *Store) write(state *State) error {
	text, err := json.Marshal(state)
	if err != nil {
		return err
	}
	fresh := s.path + ".new"
	if err := os.WriteFile(fresh, text, 0o600); err != nil {
		return err
	}
	return os.Rename(fresh, s.path)
}
