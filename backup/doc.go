// Package backup makes the place where backups go: a bucket in object storage, of another
// cloud than the data's, and the keys that enter this bucket and no other.
package backup
