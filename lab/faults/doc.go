// Package faults tests a database that is to survive the loss of any one cloud: a
// schedule of random faults, which a seed repeats, and a judge that knows every row that
// was acknowledged and every time at which two servers took writes.
//
// It knows nothing of the lab: [World] does what a fault is, and the program in client
// writes and reads. Both are the lab's in lab/e2e, and made up in this package's tests.
package faults
