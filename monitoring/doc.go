// Package monitoring has the hybrid cloud watched from within: `hybrid exporter` runs in
// the federation's host, with an account in each API that may look and no more.
package monitoring
