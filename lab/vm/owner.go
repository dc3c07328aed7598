package vm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"

	"hybrid/internal/shell"
	"hybrid/lab/system/docker"
	"hybrid/lab/system/paths"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
)

// labelOwner says to which lab a container or network belongs: an owner, as JSON.
const labelOwner = Label + ".owner"

// owner is whose lab it is: the one with this state.
type owner struct{ User, State string }

// self is the owner of what this process makes.
func self() (owner, error) {
	state, err := paths.State()
	if err != nil {
		return owner{}, err
	}
	if filepath.Base(state) == paths.Tests {
		state = filepath.Dir(state)
	}
	name := fmt.Sprintf("user %d", os.Getuid())
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	return owner{name, state}, nil
}

// same says whether the two have one state, by whatever path.
func (o owner) same(other owner) bool {
	if o.State == other.State {
		return true
	}
	a, err := os.Stat(o.State)
	if err != nil {
		return false
	}
	b, err := os.Stat(other.State)
	return err == nil && os.SameFile(a, b)
}

// CheckOwner fails if there is a lab of another state on this machine: what it has made
// would look like remains of this one. It says whose it is. It needs no image.
func CheckOwner(ctx context.Context) error {
	cli, err := docker.Connect(ctx)
	if err != nil {
		return err
	}
	h := &Host{docker: cli}
	return errors.Join(h.checkOwner(ctx), h.Close())
}

func (h *Host) checkOwner(ctx context.Context) error {
	me, err := self()
	if err != nil {
		return err
	}
	containers, err := h.docker.ContainerList(ctx, container.ListOptions{All: true, Filters: labelFilter("", "")})
	if err != nil {
		return err
	}
	networks, err := h.docker.NetworkList(ctx, network.ListOptions{Filters: labelFilter("", "")})
	if err != nil {
		return err
	}
	var all []map[string]string
	for _, c := range containers {
		all = append(all, c.Labels)
	}
	for _, n := range networks {
		all = append(all, n.Labels)
	}
	var other *owner
	machines := 0
	for _, labels := range all {
		text, ok := labels[labelOwner]
		if !ok {
			continue // of a time when nothing had an owner
		}
		var o owner
		if err := json.Unmarshal([]byte(text), &o); err != nil {
			return fmt.Errorf("label %s of %s: %w", labelOwner, labels[labelID], err)
		}
		if o.same(me) {
			continue
		}
		other = &o
		if labels[labelKind] == kindMachine {
			machines++
		}
	}
	if other == nil {
		return nil
	}
	setting := "HYBRID_LAB_STATE=" + shell.Quote(other.State)
	return fmt.Errorf("there is another lab on this machine, and there can be one only: it is %s's, its state is in %s, and its machines are %d: go on with that one, as %[1]s by `export %[4]s`, or remove it by `%[4]s make down`",
		other.User, other.State, machines, setting)
}
