package e2e

import "fmt"

const (
	// largeMB is what each member holds afterwards, at least.
	largeMB = 5000
	// templateRows of 450 bytes, one in a page of 8 KB: a table of 1.3 GB that costs 80 MB of log,
	// and no more later: autovacuum leaves it alone.
	// pg_rewind copies all maps of free space, 2.5 MB per database, so there are few databases.
	templateRows = 160_000
	copiesMade   = 3
)

// filled makes the database a large one. The mesh between the lab's clouds, on two cores,
// would carry so much to six replicas in more than an hour, so each member copies for itself:
// with file_copy the log tells only that a database was copied.
func filled(l *lab) {
	cluster, leader := l.leader()
	if _, err := l.psql(cluster, leader, "CREATE DATABASE "+large(0)); err != nil {
		l.Fatal(err)
	}
	if _, err := l.in(pod{cluster: cluster, node: leader, name: leader}, fmt.Sprintf(
		`psql -X -q -v ON_ERROR_STOP=1 -U postgres -d %s -c "CREATE TABLE bulk WITH (fillfactor = 10, autovacuum_enabled = off) AS SELECT n, repeat(md5(n::text), 13) FROM generate_series(1, %d) n"`, large(0), templateRows)); err != nil {
		l.Fatal(err)
	}
	for i := range copiesMade {
		if _, err := l.psql(cluster, leader, fmt.Sprintf("CREATE DATABASE %s TEMPLATE %s STRATEGY file_copy", large(i+1), large(0))); err != nil {
			l.Fatal(err)
		}
	}
	l.eventually(levelLimit, func() error {
		for name, size := range l.sizes() {
			if size < largeMB {
				return fmt.Errorf("%s has %d MB, want at least %d", name, size, largeMB)
			}
		}
		return l.follow("", seeds)
	})
	say("the members have %v MB", l.sizes())
}

// emptied removes what filled has made.
func emptied(l *lab) {
	cluster, leader := l.leader()
	for i := range copiesMade + 1 {
		if _, err := l.psql(cluster, leader, "DROP DATABASE "+large(i)); err != nil {
			l.Error(err)
		}
	}
}

func large(i int) string { return fmt.Sprintf("large%d", i) }

// sizes are how much the members hold, in MB.
func (l *lab) sizes() map[string]int {
	l.Helper()
	return l.numbers("SELECT sum(pg_database_size(oid))::bigint / 1000000 FROM pg_database")
}
