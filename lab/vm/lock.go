package vm

import "path/filepath"

// The lock for what comes with the first network and goes with the last.
const internetLock = "internet"

// routerLock is the name of the lock for one network's router.
func routerLock(networkID string) string { return "router-" + filepath.Base(networkID) }
