#!/bin/sh
# Fails unless the server is well and is the version that was installed. This is what keeps a bad version from
# getting traffic.
. "$(dirname "$0")/site.sh"

"$web/bin/webserver" -check "$url/health" -expect "$(setting version)" -within 1s
