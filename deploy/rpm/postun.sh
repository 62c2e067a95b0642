if [ -d /run/systemd/system ]; then
	systemctl daemon-reload >/dev/null 2>&1 || :
	# After an upgrade, a service that runs is to run the new version.
	if [ "$1" -ge 1 ]; then
		systemctl try-restart tcp-echo-metrics.service >/dev/null 2>&1 || :
	fi
fi
# The package has no folders of its own, only files.
if [ "$1" -eq 0 ]; then
	rmdir /usr/share/doc/tcp-echo-metrics /usr/share/licenses/tcp-echo-metrics >/dev/null 2>&1 || :
fi
