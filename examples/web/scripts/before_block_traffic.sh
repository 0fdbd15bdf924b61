#!/bin/sh
# Runs while the load balancer still sends traffic.
. "$(dirname "$0")/site.sh"

echo "version $(setting version) is about to lose its traffic"
