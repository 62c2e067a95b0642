# At the first installation, whether the service is enabled is for the system's presets
# to say; most say no.
if [ "$1" -eq 1 ] && [ -x /usr/bin/systemctl ]; then
	systemctl --no-reload preset tcp-echo-metrics.service >/dev/null 2>&1 || :
fi
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload >/dev/null 2>&1 || :
fi
