if [ -d /run/systemd/system ]; then
	systemctl daemon-reload >/dev/null 2>&1 || :
	# After an upgrade, restart a running service.
	if [ "$1" -ge 1 ]; then
		systemctl try-restart tcp-echo-metrics.service >/dev/null 2>&1 || :
	fi
fi
# The package owns only files, so its empty folders are removed here.
if [ "$1" -eq 0 ]; then
	rmdir /usr/share/doc/tcp-echo-metrics /usr/share/licenses/tcp-echo-metrics >/dev/null 2>&1 || :
fi
