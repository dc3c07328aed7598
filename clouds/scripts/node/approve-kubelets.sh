# Approves the requests of kubelets for serving certificates, on the control plane.
# The cluster's own signer signs whatever is approved, so this looks at who asks and
# for what: a node may have a certificate for its name and its address, as the stack
# knows them, and for nothing else. init puts it down, after lib.sh; a timer
# runs it.
export KUBECONFIG="$ROOT/etc/kubernetes/admin.conf"

# A file per node, with its address, named after it.
NODES=$STATE/nodes

main() {
	kubectl get certificatesigningrequests --field-selector spec.signerName=kubernetes.io/kubelet-serving \
		-o 'jsonpath={range .items[*]}{.metadata.name}{" "}{.spec.username}{" "}{.status.conditions[*].type}{"\n"}{end}' |
		while read -r request user conditions; do
			[ -z "$conditions" ] || continue
			node=${user#system:node:}
			if why=$(problem "$request" "$user" "$node"); then
				echo "request $request of $user is not approved: $why"
			else
				kubectl certificate approve "$request"
			fi
		done
}

# problem REQUEST USER NODE: says what is wrong with a request; fails if nothing is.
# The API server vouches for the user. The signer itself refuses other organizations
# than system:nodes and other usages than a server's.
problem() {
	case $3 in
	'' | . | .. | */*) echo "the user is no node" && return ;;
	esac
	[ "$2" = "system:node:$3" ] && [ -s "$NODES/$3" ] || { echo "the stack knows no such node" && return; }
	text=$(kubectl get certificatesigningrequests "$1" -o 'jsonpath={.spec.request}' | base64 -d |
		openssl req -noout -verify -text -nameopt RFC2253 2>/dev/null) || { echo "it can't be read" && return; }
	subject=$(printf '%s\n' "$text" | sed -n 's/^ *Subject: *//p')
	[ "$subject" = "CN=$2,O=system:nodes" ] || { echo "its subject is $subject, expected CN=$2,O=system:nodes" && return; }
	names=$(printf '%s\n' "$text" | sed -n '/X509v3 Subject Alternative Name:/{n;s/ //g;p;}')
	[ "$names" = "DNS:$3,IPAddress:$(cat "$NODES/$3")" ] || { echo "it is for $names, expected DNS:$3,IPAddress:$(cat "$NODES/$3")" && return; }
	return 1
}

main "$@" </dev/null
