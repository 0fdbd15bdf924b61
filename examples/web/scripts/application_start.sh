#!/bin/sh
# Starts the server in a session of its own. All three of its standard streams are redirected: one that stayed open
# would keep the lifecycle event from ending.
. "$(dirname "$0")/site.sh"

setsid "$web/bin/webserver" -listen "127.0.0.1:$PORT" -config "$web/site.conf" \
	</dev/null >>"$run/web.log" 2>&1 &
echo $! >"$run/web.pid"
if ! "$web/bin/webserver" -check "$url/stats" -within 5s; then
	tail -n 5 "$run/web.log" >&2
	exit 1
fi
echo "started pid $(cat "$run/web.pid")"
