// Package workloads puts PostgreSQL into the federation: one master that others
// follow, in the clusters that the settings name. docs/postgres.md explains it.
package workloads
