#!/bin/sh
# Warms the server up before the load balancer sends it traffic.
. "$(dirname "$0")/site.sh"

for request in 1 2 3; do
	"$web/bin/webserver" -check "$url/" -within 2s >/dev/null
done
echo "warm after $request requests"
