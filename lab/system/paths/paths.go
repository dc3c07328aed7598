// Package paths says where the lab keeps its things. Nothing of it lies in the
// checkout, so that `git clean` and a second checkout cost no rebuild.
package paths

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Clouds is the folder of the simulated clouds, within the state's.
const Clouds = "clouds"

// Tests is the folder, within the state's, of tests that make machines by themselves.
const Tests = "dockertest"

// Stack is the only stack that the simulated clouds serve.
const Stack = "dev"

// Cache is the folder of what can be made again: built programs and images.
// It is $XDG_CACHE_HOME/hybrid-lab, or ~/.cache/hybrid-lab.
func Cache() (string, error) { return base("XDG_CACHE_HOME", ".cache") }

// State is the folder of what can't be made again: the stack's state and that
// of the simulated clouds. It is $HYBRID_LAB_STATE, or else
// $XDG_STATE_HOME/hybrid-lab or ~/.local/state/hybrid-lab.
func State() (string, error) {
	if dir := os.Getenv("HYBRID_LAB_STATE"); dir != "" {
		return filepath.Abs(dir) // also for programs that start in another folder
	}
	return base("XDG_STATE_HOME", ".local/state")
}

func base(variable, fallback string) (string, error) {
	if dir := os.Getenv(variable); filepath.IsAbs(dir) { // the XDG specification: relative ones are ignored
		return filepath.Join(dir, "hybrid-lab"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("neither $%s nor $HOME is set: set one of them: %w", variable, err)
	}
	return filepath.Join(home, fallback, "hybrid-lab"), nil
}

// Project is the folder of the Pulumi program: the working directory or the
// nearest folder above it that holds Pulumi.yaml and lab/go.mod.
func Project() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if exists(filepath.Join(dir, "Pulumi.yaml")) && exists(filepath.Join(dir, "lab", "go.mod")) {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no checkout of the project at or above %s (Pulumi.yaml beside lab/go.mod): change to one", start)
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, os.ErrNotExist)
}
