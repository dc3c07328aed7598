# Succeeds when all APIs answer, prove to be who they should be, and know us: all but
# those of clusters that are lost, as the stack's settings say now. HYBRID_CONFIG_FILE in
# the environment is what pulumi's --config-file is.
#
# STACK     name of the stack
# COUNT     number of APIs; of each, with its number N:
#           NAME_N, CLUSTER_N (whose it is), SERVER_N (URL), AUTHORITY_N (PEM),
#           TOKEN_N, or CERTIFICATE_N and KEY_N (PEM),
#           ADVICE_N (what to do when it doesn't answer)
# PATIENCE  for how many seconds an API is asked that doesn't answer
set -eu
umask 077

main() {
	if ! command -v curl >/dev/null; then
		echo "curl is needed, to ask the clusters whether they are there: install it, and run pulumi destroy again" >&2
		exit 1
	fi
	clusters=$(pulumi config get hybrid:clusters --stack "$STACK" ${HYBRID_CONFIG_FILE:+--config-file "$HYBRID_CONFIG_FILE"} 2>/dev/null) || clusters=
	dir=$(mktemp -d)
	trap 'rm -rf "$dir"' EXIT
	n=0
	while [ $n -lt "$COUNT" ]; do
		n=$((n + 1))
		reach $n >"$dir/$n" 2>&1 &
	done
	wait
	status=0
	while [ $n -gt 0 ]; do
		[ -e "$dir/answer-$n" ] || { status=1; cat "$dir/$n" >&2; }
		n=$((n - 1))
	done
	exit $status
}

# param NAME: that of API number $n.
param() { eval "printf '%s\n' \"\$$1_$n\""; }

# lost: whether the settings say so of the cluster of API number $n.
lost() { printf %s "$clusters" | tr '}' '\n' | grep -F "\"name\":\"$(param CLUSTER)\"" | grep -q '"lost":true'; }

# reach N: makes the file answer-N, or prints what is wrong with the API.
reach() {
	n=$1
	if lost; then
		: >"$dir/answer-$n"
		return
	fi
	param AUTHORITY >"$dir/authority-$n"
	set -- --cacert "$dir/authority-$n"
	if [ -n "$(param TOKEN)" ]; then
		printf 'Authorization: Bearer %s\n' "$(param TOKEN)" >"$dir/header-$n"
		set -- "$@" -H "@$dir/header-$n"
	else
		param CERTIFICATE >"$dir/certificate-$n"
		param KEY >"$dir/key-$n"
		set -- "$@" --cert "$dir/certificate-$n" --key "$dir/key-$n"
	fi
	end=$(($(date +%s) + PATIENCE))
	# Not curl's own --fail: its manual says that it may let 401 pass.
	until why=$(curl -sS -o /dev/null -w 'it answers %{http_code}' --connect-timeout 10 -m 15 "$@" "$(param SERVER)/version" 2>&1) &&
		[ "$why" = "it answers 200" ]; do
		# No time heals what a certificate or such an answer says.
		case $why in
		"it answers 40"[13] | *"(58)"* | *"(60)"*) end=0 ;;
		esac
		if [ "$(date +%s)" -ge "$end" ]; then
			printf "%s: %s can't be used from here: %s\n%s\n" "$(param NAME)" "$(param SERVER)" "$(printf %s "${why%it answers 000}")" "$(param ADVICE)"
			return
		fi
		sleep 1
	done
	: >"$dir/answer-$n"
}

main "$@" </dev/null
