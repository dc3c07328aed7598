# Waits until the first boot is done, then prints the machine's SSH host key.
main() {
	status=0
	timeout 900 cloud-init status --wait >/dev/null 2>&1 || status=$?
	# 2: done, with warnings that cloud-init has recovered from. 124: timeout's own.
	case $status in
	0 | 2) ;;
	124) die "the first boot has not ended after 15 minutes: see /var/log/cloud-init-output.log on the machine; $(timeout 20 cloud-init status --long 2>&1)" ;;
	*) die "cloud-init failed: see /var/log/cloud-init-output.log on the machine; $(timeout 20 cloud-init status --long 2>&1)" ;;
	esac
	[ -s "$ROOT/etc/ssh/ssh_host_ed25519_key.pub" ] || die "expected an SSH host key in /etc/ssh/ssh_host_ed25519_key.pub, found none: has cloud-init run with the user-data?"
	# Type and key; the comment after them is not part of the identity.
	cut -d ' ' -f 1,2 "$ROOT"/etc/ssh/ssh_host_ed25519_key.pub
}

main "$@" </dev/null
