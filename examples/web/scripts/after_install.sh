#!/bin/sh
# Checks that what was installed is complete.
. "$(dirname "$0")/site.sh"

for file in bin/webserver site.conf index.html; do
	if [ ! -f "$web/$file" ]; then
		echo "$web/$file is missing" >&2
		exit 1
	fi
done
echo "version $(setting version) is installed in $web"
