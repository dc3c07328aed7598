# The witness: a small PostgreSQL apart from the master, that remembers which
# cluster's master is the one that may accept writes, and since when. The master
# asks it; a promotion tells it. See docs/postgres.md.
. "${SCRIPTS:-/etc/psql/scripts}/lib.sh"

main() {
	prepare
	[ -e "$PGDATA/PG_VERSION" ] || initialize
	access witness
	configure
	until start; do pause 1; done
	roles || die "the roles could not be made"
	PATIENCE=10 sql <<-END || die "the table could not be made"
		SET client_min_messages = warning;
		CREATE TABLE IF NOT EXISTS state (
			one boolean PRIMARY KEY DEFAULT true CHECK (one),
			epoch integer NOT NULL, -- grows with each promotion
			cluster text NOT NULL, -- whose master is the one
			phase text NOT NULL CHECK (phase IN ('active', 'handover')),
			seed text, -- in a hand-over: address of the pod that has the data
			position pg_lsn, -- and how far they go
			system text, timeline integer, -- of the master's data
			address text, -- the master's pod
			flushed pg_lsn, seen timestamptz -- how far it was, and when
		);
		CREATE TABLE IF NOT EXISTS history (
			epoch integer PRIMARY KEY, cluster text, flushed pg_lsn, seen timestamptz, -- of the master before
			position pg_lsn, ended timestamptz NOT NULL -- what was promoted, and when
		);
		GRANT SELECT ON state, history TO replicator;
	END
	: >"$RUN/open"
	while :; do
		pause 5
		running || until start; do pause 1; done
		renew
	done
}

main
