# Timers of a node. Put before the scripts that make one.
#
# NODE      name of the node
# REPORTER  the script that reports pending reboots

# regularly NAME EVERY WHAT [FILE]: a timer runs a script, which is read from standard input,
# while there is a file.
regularly() {
	put "$ROOT/usr/local/sbin/hybrid-$1"
	chmod 0755 "$ROOT/usr/local/sbin/hybrid-$1"
	units=$ROOT/etc/systemd/system
	put "$units/hybrid-$1.service" <<-EOT
		[Unit]
		Description=$3
		ConditionPathExists=${4:-/etc/kubernetes/admin.conf}
		[Service]
		Type=oneshot
		ExecStart=/usr/local/sbin/hybrid-$1
	EOT
	put "$units/hybrid-$1.timer" <<-EOT
		[Unit]
		Description=$3
		[Timer]
		OnActiveSec=$2
		OnUnitInactiveSec=$2
		[Install]
		WantedBy=timers.target
	EOT
	systemctl daemon-reload
	systemctl enable --now --quiet "hybrid-$1.timer"
}

# report_reboots has the cluster know when this machine waits for one.
report_reboots() {
	printf '%s\n' "$NODE" | put "$STATE/node"
	printf '%s\n' "$REPORTER" | regularly report-reboots 1min "Report pending reboots" /etc/kubernetes/kubelet.conf
}
