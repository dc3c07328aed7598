package clouds

import (
	"fmt"
	"net"
	"os"
	"time"
)

// CheckAgent refuses an SSH agent of the environment, by SSH_AUTH_SOCK, that is gone.
// Every connection has its own key and needs none; but Pulumi's command plugin (1.1.0)
// opens the agent's socket before each connection and fails if it can't, which would be
// after the machines have been made.
func CheckAgent() error {
	socket := os.Getenv("SSH_AUTH_SOCK")
	if socket == "" {
		return nil
	}
	agent, err := net.DialTimeout("unix", socket, time.Second)
	if err != nil {
		return fmt.Errorf("SSH_AUTH_SOCK names an SSH agent that is gone, by which Pulumi's command plugin fails: run it without, `env -u SSH_AUTH_SOCK pulumi up`: %w", err)
	}
	return agent.Close()
}
