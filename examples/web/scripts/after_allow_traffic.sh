#!/bin/sh
# Says that traffic arrives.
. "$(dirname "$0")/site.sh"

"$web/bin/webserver" -check "$url/stats" -within 2s
