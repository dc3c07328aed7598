#!/bin/sh
# Prepares a node for Weave: passes its bridges' packets through netfilter, and
# installs the CNI plugin. Runs as the pod's init container; where there is none,
# launch.sh runs it.
#
#   HOST_ROOT     where the node's opt, home and etc are mounted (/host)
#   HAIRPIN_MODE  whether pods reach themselves through their service (true)
#   WEAVE_DEBUG   show every command
set -eu
[ -z "${WEAVE_DEBUG-}" ] || set -x
HOST_ROOT=${HOST_ROOT:-/host}
here=${0%/*}

main() {
	bridge_netfilter
	install_plugin
	configure_plugin
}

# kube-proxy's rules are for what pods say to each other on the bridge, too.
bridge_netfilter() {
	setting=/proc/sys/net/bridge/bridge-nf-call-iptables
	if [ ! -e $setting ]; then
		echo "found no $setting: without the kernel module br_netfilter, services don't work for pods of the same node" >&2
	elif [ "$(cat $setting)" != 1 ]; then
		echo 1 >$setting
	fi
}

# install_plugin puts weaveutil, which is the plugin if called by its names, where
# the container runtime looks; some systems have a read-only /opt.
install_plugin() {
	bin=$HOST_ROOT/opt/cni/bin
	if ! mkdir -p "$bin"; then
		bin=$HOST_ROOT/home/kubernetes/bin
		mkdir -p "$bin"
	fi
	version=$("$here/weaver" --version) # weave 2.6.5
	plugin=weave-plugin-${version#weave }
	weaveutil=$(command -v weaveutil)
	if ! cmp -s "$weaveutil" "$bin/$plugin"; then
		# The runtime may be running the old one: replace it, all or nothing.
		cp "$weaveutil" "$bin/.$plugin"
		mv "$bin/.$plugin" "$bin/$plugin"
	fi
	for name in weave-net weave-ipam; do
		ln -sfn "$plugin" "$bin/.$name"
		mv "$bin/.$name" "$bin/$name"
	done
}

# configure_plugin makes Weave the network of pods, unless that has been done.
# From then on the node can be Ready.
configure_plugin() {
	dir=$HOST_ROOT/etc/cni/net.d
	mkdir -p "$dir"
	[ ! -e "$dir/10-weave.conflist" ] || return 0
	cat >"$dir/.10-weave" <<-EOT
		{
		  "cniVersion": "0.3.0",
		  "name": "weave",
		  "plugins": [
		    {"name": "weave", "type": "weave-net", "hairpinMode": ${HAIRPIN_MODE:-true}},
		    {"type": "portmap", "capabilities": {"portMappings": true}, "snat": true}
		  ]
		}
	EOT
	mv "$dir/.10-weave" "$dir/10-weave.conflist"
}

main
