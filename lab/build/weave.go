package build

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const weaveModule = "github.com/weaveworks/weave"

// edit replaces a text that a file must have exactly once.
type edit struct{ file, old, new string }

// weaveEdits are the two places where Weave expects what a machine of the lab may
// not have. Text that is no longer there fails the build.
var weaveEdits = []edit{
	// libpcap, and a C compiler to link it.
	{"router/pcap.go", `"github.com/google/gopacket/pcap"`, `"hybrid/lab/weave/pcap"`},
	// The kernel's dummy interfaces. This one lives for a moment, to give the
	// bridge an MTU; any kind will do, and Docker needs veth pairs anyway.
	{"net/bridge.go", `&netlink.Dummy{LinkAttrs: netlink.NewLinkAttrs()}`,
		`&netlink.Veth{LinkAttrs: netlink.NewLinkAttrs(), PeerName: "vethwedp"}`},
}

// editWeave copies the sources of Weave to a folder of the cache and edits them.
func editWeave(ctx context.Context, b *Builder, dir string) (string, error) {
	module, err := output(ctx, dir, "go", "mod", "download", "-json", weaveModule)
	if err != nil {
		return "", err
	}
	upstream, err := moduleDir(module)
	if err != nil {
		return "", err
	}
	to := filepath.Join(b.Cache, "src", "weave")
	if err := os.RemoveAll(to); err != nil {
		return "", err
	}
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		return "", err
	}
	sources := filepath.Join(to, "upstream")
	if err := os.CopyFS(sources, os.DirFS(upstream)); err != nil {
		return "", err
	}
	for _, e := range weaveEdits {
		if err := e.apply(sources); err != nil {
			return "", err
		}
	}
	if err := writeFile(filepath.Join(sources, "go.mod"), "module "+weaveModule+"\n"); err != nil {
		return "", err
	}
	_, err = output(ctx, to, "go", "mod", "edit", "-replace", weaveModule+"=./upstream")
	return to, err
}

func (e edit) apply(dir string) error {
	path := filepath.Join(dir, e.file)
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if n := strings.Count(string(text), e.old); n != 1 {
		return fmt.Errorf("%s: want %q once, found it %d times: adapt weaveEdits to this version", path, e.old, n)
	}
	return os.WriteFile(path, []byte(strings.Replace(string(text), e.old, e.new, 1)), 0o644)
}
