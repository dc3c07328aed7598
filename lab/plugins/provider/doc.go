// Package provider serves a Pulumi resource provider from a table of resource
// types. A type is a Schema, which the vendor's own Go SDK and a few lists make
// up, and four functions that create, read, update and delete.
//
// The providers made with it stand in for the vendors' own on the lab's stack.
// They refuse every other stack: a stack that means real clouds must never be
// deployed to simulated ones.
package provider
