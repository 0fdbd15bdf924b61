#!/bin/sh
# Installs the agent's package while an image is built, and leaves nothing of the build host in it. Called with the package's file, as the
# recipes beside it do; as root.
set -eu
export CODEDEPLOY_AGENT_DO_NOT_START=1
case "$1" in
*.deb) DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$1" ;;
*.rpm)
	# A package in a file is not signed by a repository; its checksum has been compared before.
	if command -v dnf >/dev/null; then dnf install --assumeyes --nogpgcheck "$1"; elif command -v zypper >/dev/null; then
		zypper --non-interactive install --allow-unsigned-rpm "$1"
	else yum install --assumeyes --nogpgcheck "$1"; fi
	;;
*)
	echo "$1 is neither a deb nor an rpm" >&2
	exit 2
	;;
esac
codedeploy-agent image scrub
codedeploy-agent image prepare
