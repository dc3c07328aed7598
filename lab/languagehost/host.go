// Package languagehost runs Pulumi programs written in Go. The official release
// of the CLI brings a host of its own; a CLI built from its module has none,
// and finds this one beside itself.
package languagehost

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	rpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/emptypb"
)

// engineInterval is the time between looks whether the engine lives.
const engineInterval = 2 * time.Second

// host implements the engine's language runtime service.
type host struct {
	rpc.UnimplementedLanguageRuntimeServer
	address string // the engine's
	say     func(line string)

	mu        sync.Mutex
	ctx       context.Context // ends with Cancel, and the program with it
	cancel    context.CancelFunc
	cancelled bool
}

func newHost(engine string, say func(string)) *host {
	ctx, cancel := context.WithCancel(context.Background())
	return &host{address: engine, say: say, ctx: ctx, cancel: cancel}
}

// Serve serves the engine at the address, prints the port that it serves on,
// and ends when the engine does, with all that it has started.
func Serve(engine string) error {
	conn, err := grpc.NewClient(engine, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return fmt.Errorf("connecting to the engine at %s: %w", engine, err)
	}
	log := rpc.NewEngineClient(conn)
	h := newHost(engine, func(line string) {
		// A line that isn't shown is no reason to fail.
		_, _ = log.Log(context.Background(), &rpc.LogRequest{Severity: rpc.LogSeverity_INFO, Message: line, Ephemeral: true})
	})
	alive, gone := context.WithCancel(context.Background())
	defer gone()
	if err := rpcutil.Healthcheck(alive, engine, engineInterval, gone); err != nil {
		return fmt.Errorf("watching the engine at %s: %w", engine, err)
	}
	stop := make(chan bool)
	context.AfterFunc(alive, func() {
		h.cancel()
		if syscall.Getpgrp() == os.Getpid() { // the CLI gives each plugin a group of its own
			_ = syscall.Kill(0, syscall.SIGKILL) // the compilers that `go build` has started too
		}
		close(stop)
	})
	handle, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{Cancel: stop, Init: func(s *grpc.Server) error {
		rpc.RegisterLanguageRuntimeServer(s, h)
		return nil
	}})
	if err != nil {
		return fmt.Errorf("serving the engine: %w", err)
	}
	fmt.Println(handle.Port)
	return <-handle.Done
}

// Handshake learns the engine's address.
func (h *host) Handshake(_ context.Context, r *rpc.LanguageHandshakeRequest) (*rpc.LanguageHandshakeResponse, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.address = r.GetEngineAddress()
	return &rpc.LanguageHandshakeResponse{}, nil
}

// GetPluginInfo returns a version of no meaning: the host is the CLI's own.
func (h *host) GetPluginInfo(context.Context, *emptypb.Empty) (*rpc.PluginInfo, error) {
	return &rpc.PluginInfo{Version: "1.0.0"}, nil
}

// Cancel stops the program, or its build.
func (h *host) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	h.mu.Lock()
	h.cancelled = true
	h.mu.Unlock()
	h.cancel()
	return &emptypb.Empty{}, nil
}

func (h *host) engine() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.address
}

// bound returns a context that ends with either the request or the host.
func (h *host) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(h.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}

// programDir is where the program's main package lies.
func programDir(i *rpc.ProgramInfo) string {
	if e := i.GetEntryPoint(); e != "" && e != "." {
		return filepath.Join(i.GetProgramDirectory(), e)
	}
	return i.GetProgramDirectory()
}

// option returns one of the options of `runtime` in Pulumi.yaml, or "".
func option(i *rpc.ProgramInfo, name string) string {
	return i.GetOptions().GetFields()[name].GetStringValue()
}

// target returns where the program is built, and whether it needs no building.
func target(i *rpc.ProgramInfo) (path string, built bool, err error) {
	absolute := func(path string) string {
		if filepath.IsAbs(path) {
			return path
		}
		return filepath.Join(i.GetRootDirectory(), path)
	}
	if path := option(i, "binary"); path != "" {
		if _, err := os.Stat(absolute(path)); err != nil {
			return "", false, fmt.Errorf("runtime option binary: %w", err)
		}
		return absolute(path), true, nil
	}
	if path := option(i, "buildTarget"); path != "" {
		return absolute(path), false, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", false, errors.Join(errors.New("no place to build the program: set the runtime option buildTarget in Pulumi.yaml"), err)
	}
	return filepath.Join(cache, "pulumi-language-go", digest(programDir(i)), "program"), false, nil
}
