#!/bin/sh
# Makes the directory for what the server writes at run time. It is not part of the revision, so it outlives it.
. "$(dirname "$0")/site.sh"

mkdir -p "$run"
echo "port $PORT is this host's"
