package clouds

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheckAgent(t *testing.T) {
	dir := t.TempDir()
	there, gone := filepath.Join(dir, "there"), filepath.Join(dir, "gone")
	agent, err := net.Listen("unix", there)
	if err != nil {
		t.Fatal(err)
	}
	defer agent.Close()
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: gone, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false) // as an agent that was killed
	dead.Close()
	for socket, good := range map[string]bool{"": true, there: true, gone: false, filepath.Join(dir, "never"): false} {
		t.Setenv("SSH_AUTH_SOCK", socket)
		if err := CheckAgent(); (err == nil) != good || err != nil && !strings.Contains(err.Error(), "`env -u SSH_AUTH_SOCK pulumi up`") {
			t.Errorf("SSH_AUTH_SOCK=%s: got %v, want fine: %v", socket, err, good)
		}
	}
}
