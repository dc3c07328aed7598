#!/bin/sh
# `weave status` and `weave report` on this machine, as Weave Net's own script has
# them: they ask the peer that runs here. What else that script does is up to the
# cluster's DaemonSet weave-net.
set -eu
case ${1-} in
status) path=/status${2:+/$2} ;;
report) path=/report ;;
*)
	echo "usage: weave status [connections|dns|ipam|peers|targets] or weave report" >&2
	exit 2
	;;
esac
exec curl -sSf -m 10 "http://127.0.0.1:6784$path"
