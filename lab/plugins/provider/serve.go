package provider

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	rpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// engineInterval is the time between looks whether the engine lives.
const engineInterval = 2 * time.Second

// EngineGrace is for what is under way when the engine has died. Docker may take
// vm.CreateTimeout to make what it was asked for, the clouds then clear that away
// within half a minute, and a router's last policy may take as long again: who ended
// sooner would leave what the engine does not know.
const EngineGrace = 3 * time.Minute

// Serve serves the package to the engine at the address, as the pulumi CLI
// expects of a plugin: it prints its port, and ends when the engine does.
func Serve(pkg *Package, engine string) error {
	log, err := DialLogger(engine)
	if err != nil {
		return err
	}
	p := New(pkg, log)
	stop, err := WhenGone(engine, func() {
		_ = p.Close()
		// What is under way cleans up after itself, or hangs: then the next
		// deployment cleans up.
		time.AfterFunc(EngineGrace, func() { os.Exit(1) })
	})
	if err != nil {
		return err
	}
	handle, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{Cancel: stop, Init: func(s *grpc.Server) error {
		rpc.RegisterResourceProviderServer(s, NewServer(p))
		return nil
	}})
	if err != nil {
		return fmt.Errorf("serving %s: %w", pkg.Name, err)
	}
	fmt.Println(handle.Port)
	return <-handle.Done
}

// WhenGone calls a function, then closes the channel, when the engine at the
// address no longer answers. Without it a killed engine leaves its plugins behind.
func WhenGone(engine string, gone func()) (chan bool, error) {
	ctx, cancel := context.WithCancel(context.Background())
	if err := rpcutil.Healthcheck(ctx, engine, engineInterval, cancel); err != nil {
		cancel()
		return nil, fmt.Errorf("watching the engine at %s: %w", engine, err)
	}
	stop := make(chan bool)
	context.AfterFunc(ctx, func() { gone(); close(stop) })
	return stop, nil
}

// server mends the SDK's server.
type server struct{ rpc.ResourceProviderServer }

// NewServer serves a provider over gRPC.
func NewServer(p plugin.Provider) rpc.ResourceProviderServer {
	return &server{plugin.NewProviderServer(p)}
}

// Diff says that diffs are detailed, which the SDK's server leaves out, and
// without which the CLI shows no change below the top level.
func (s *server) Diff(ctx context.Context, r *rpc.DiffRequest) (*rpc.DiffResponse, error) {
	d, err := s.ResourceProviderServer.Diff(ctx, r)
	if d != nil {
		d.HasDetailedDiff = len(d.DetailedDiff) > 0
	}
	return d, err
}

// Logger sends messages to the engine, which shows them at their resource.
// The zero Logger drops them.
type Logger struct{ engine rpc.EngineClient }

// DialLogger returns a logger to the engine at the address.
func DialLogger(engine string) (Logger, error) {
	if engine == "" {
		return Logger{}, errors.New("no engine address: this program is started by the pulumi CLI")
	}
	conn, err := grpc.NewClient(engine, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return Logger{}, fmt.Errorf("connecting to the engine at %s: %w", engine, err)
	}
	return Logger{rpc.NewEngineClient(conn)}, nil
}

// Info shows a line at a resource, or at the stack if the URN is empty.
func (l Logger) Info(ctx context.Context, urn resource.URN, line string) {
	l.send(ctx, rpc.LogSeverity_INFO, urn, line, false)
}

// Status shows a line beside a resource until the next one replaces it.
func (l Logger) Status(ctx context.Context, urn resource.URN, line string) {
	l.send(ctx, rpc.LogSeverity_INFO, urn, line, true)
}

// Warn shows a warning at a resource.
func (l Logger) Warn(ctx context.Context, urn resource.URN, line string) {
	l.send(ctx, rpc.LogSeverity_WARNING, urn, line, false)
}

// send drops what the engine doesn't take: a message is no reason to fail.
func (l Logger) send(ctx context.Context, severity rpc.LogSeverity, urn resource.URN, line string, ephemeral bool) {
	if l.engine != nil {
		_, _ = l.engine.Log(ctx, &rpc.LogRequest{Severity: severity, Urn: string(urn), Message: line, Ephemeral: ephemeral})
	}
}
