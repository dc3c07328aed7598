// Package official holds the lab's plugins against what the vendors' own plan, see
// testdata/plans.tsv. It has tests only.
package official
