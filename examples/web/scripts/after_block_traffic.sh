#!/bin/sh
# Runs when the load balancer sends no more traffic. The server stays up: the original set is what a rollback needs.
. "$(dirname "$0")/site.sh"

"$web/bin/webserver" -check "$url/stats" -within 2s
