#!/bin/sh
# Stops the server that runs now. The script comes from the revision that was installed before.
. "$(dirname "$0")/site.sh"

if ! pid=$(web_pid); then
	echo "the server does not run"
	rm -f "$run/web.pid"
	exit 0
fi
kill -TERM "$pid"
tries=0
while kill -0 "$pid" 2>/dev/null; do
	tries=$((tries + 1))
	if [ "$tries" -gt 100 ]; then
		echo "pid $pid has not ended within 10 seconds" >&2
		exit 1
	fi
	sleep 0.1
done
rm -f "$run/web.pid"
echo "stopped pid $pid"
