# Before this pod goes, another member takes over: this ends writes for seconds, and
# the loss of the leader for twenty.
[ "$(psql -XAtq -U postgres -c 'SELECT pg_is_in_recovery()' 2>/dev/null)" != f ] ||
	timeout 25 patronictl switchover psql --leader "$PATRONI_NAME" --force >/dev/null 2>&1
exit 0
