# On removal, but not on an upgrade.
if [ "$1" -eq 0 ] && [ -x /usr/bin/systemctl ]; then
	systemctl --no-reload disable --now tcp-echo-metrics-echo.socket \
		tcp-echo-metrics-metrics.socket tcp-echo-metrics.service >/dev/null 2>&1 || :
fi
