package vm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"

	"hybrid/lab/registry/store"
	"hybrid/lab/system/paths"
	"hybrid/lab/zones"
)

// corefile makes CoreDNS serve the files of a folder, and see within half a second
// what has changed there. One of them is the world: of a name in none of the others
// it says that there is none, and asks no other server.
const corefile = `. {
	errors
	auto {
		directory %s %s {1}
		reload 500ms
	}
}
`

// ensureNameServer starts the name server's container. It needs nothing but the
// files: whatever dies, it goes on with what is there.
func (h *Host) ensureNameServer(ctx context.Context) error {
	programs, err := store.Dir()
	if err != nil {
		return err
	}
	state, err := paths.State()
	if err != nil {
		return err
	}
	dir := filepath.Join(state, paths.Clouds, zones.Folder)
	if err := zones.Ensure(dir); err != nil {
		return err
	}
	const program, inside = "/programs", "/zones"
	return h.ensureServer(ctx, server{
		kind: kindNameServer, address: NameServer,
		program: filepath.Join(programs, store.NameServer),
		command: []string{program + "/" + store.NameServer, "-conf", "/Corefile"},
		mounts:  map[string]string{program: programs, inside: dir},
		files:   map[string]string{"Corefile": fmt.Sprintf(corefile, inside, zones.Pattern)},
		answers: awaitNameServer,
	})
}

// Resolver asks the lab's name server. This host's own knows nothing of its names.
func Resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort(NameServer.String(), "53"))
	}}
}

// awaitNameServer waits until it says that there is no such name.
func awaitNameServer(ctx context.Context) error {
	return await(ctx, func() error {
		_, err := Resolver().LookupHost(ctx, "lab.invalid.")
		var answer *net.DNSError
		if errors.As(err, &answer) && answer.IsNotFound {
			return nil
		}
		if err == nil {
			err = errors.New("lab.invalid: want no such name, found one")
		}
		return err
	})
}
