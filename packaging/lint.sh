#!/bin/sh
# Lints the packages in a folder with what is installed of lintian, rpmlint and systemd-analyze. packaging/README.md says what stays, and why.
set -u
dir=$1
here=$(cd "$(dirname "$0")" && pwd)
have() { command -v "$1" >/dev/null || { echo "skipped: $1 is not installed"; return 1; }; }
failed=0

if have lintian; then
	for deb in "$dir"/*.deb; do
		lintian --suppress-tags-from-file "$here/lintian-suppressed" --fail-on error,warning "$deb" || failed=1
	done
fi
if have rpmlint; then
	for rpm in "$dir"/*.rpm; do rpmlint --config "$here/rpmlint.toml" "$rpm" || failed=1; done
fi
if have systemd-analyze; then
	systemd-analyze security --offline=true --no-pager "$here/systemd/codedeploy-agent.service" | tail -n 1
fi
exit "$failed"
