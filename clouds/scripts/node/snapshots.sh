# Has snapshots of etcd sent to a bucket.
#
# SETTINGS   what snapshot.sh reads: secret
# AUTHORITY  certificate of who signs the bucket's, or empty for a public one
# SNAPSHOT   the script that sends them
main() {
	exclusively
	if ! command -v restic >/dev/null; then
		patiently apt-update apt-get -qq update
		patiently apt-install apt-get -qq -y install restic
	fi
	(
		umask 077
		mkdir -p "$STATE/snapshots"
		printf '%s\n' "$SETTINGS" | put "$STATE/snapshots/settings"
		printf %s "$AUTHORITY" | put "$STATE/snapshots/ca.crt"
	)
	printf '%s\n' "$SNAPSHOT" | regularly snapshot 30s "Send snapshots of etcd to the bucket"
}

main "$@" </dev/null
