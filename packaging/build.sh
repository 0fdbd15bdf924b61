#!/bin/sh
# Builds the packages: deb, rpm and apk from nfpm.yaml, and a tarball, for each architecture; then the checksums. "make packages" calls it with
#   VERSION, COMMIT, DATE (RFC 3339), EPOCH_SECONDS  what the binary is told, and the time of every file
#   OUT                                              where the packages go; only this run's are left there
#   NFPM                                             the program nfpm
#   TAGS, COMPILE, LINK                              build tags and the compiler's and linker's flags, as for "make build"
#   ARCHITECTURES, FORMATS                           optional: "amd64 arm64", "deb rpm apk tar"
# The same commit gives the same bytes.
set -eu
umask 022
export LC_ALL=C TZ=UTC CGO_ENABLED=0 SOURCE_DATE_EPOCH="$EPOCH_SECONDS" GOOS=linux

here=$(cd "$(dirname "$0")" && pwd)
project=$(dirname "$here")
mkdir -p "$OUT"
OUT=$(cd "$OUT" && pwd)
work=$OUT/.work
rm -rf "$work"
mkdir -p "$work"
trap 'rm -rf "$work"' EXIT
rm -f "$OUT"/codedeploy-agent[-_]* "$OUT"/SHA256SUMS

# A version that packages can have: as it is if it begins with a number, else one that is below every release and grows with time.
PACKAGE_VERSION=$(printf '%s' "$VERSION" | sed 's/^v\([0-9]\)/\1/; s/-\([0-9][0-9]*\)-g\([0-9a-f]\)/+\1.g\2/; s/-/~/g')
case "$PACKAGE_VERSION" in
[0-9]*.*) ;;
*) PACKAGE_VERSION=0.0.0~$(date -u -d "@$EPOCH_SECONDS" +%Y%m%d%H%M%S).$(printf '%s' "$VERSION" | tr -c 'A-Za-z0-9.\n' '.') ;;
esac
DATE_UTC=$(date -u -d "@$EPOCH_SECONDS" +%Y-%m-%dT%H:%M:%SZ)
: "${MAINTAINER:=The codedeploy-agent authors <codedeploy-agent@localhost>}"
: "${HOMEPAGE:=https://docs.aws.amazon.com/codedeploy/}"
export PACKAGE_VERSION DATE_UTC MAINTAINER HOMEPAGE

ldflags="$LINK -X main.version=$VERSION -X main.commit=$COMMIT -X main.date=$DATE"
build() { # tags, output
	# shellcheck disable=SC2086 # COMPILE is a list
	(cd "$project" && go build -trimpath -buildvcs=false -tags "$1" $COMPILE -ldflags "$ldflags" -o "$2" ./cmd/codedeploy-agent)
}

# What the binary says of itself is asked of one that runs here.
export GOARCH
GOARCH=$(go env GOHOSTARCH)
build "$TAGS" "$work/host"
build "$TAGS,manual" "$work/manual"
stage=$work/stage
mkdir -p "$stage/man" "$stage/scripts/deb" "$stage/scripts/rpm" "$stage/scripts/apk"
"$work/manual" "$stage/man"
ln -s host "$work/codedeploy-agent"
for shell in bash zsh fish; do "$work/codedeploy-agent" completion "$shell" >"$stage/completion.$shell"; done
"$work/codedeploy-agent" config --new-host >"$stage/new-host.yml"
"$work/codedeploy-agent" config >"$stage/all-settings.yml"
printf 'agent_version: %s\n' "$PACKAGE_VERSION" >"$stage/version"
gzip -9n "$stage"/man/*.1
cp "$stage/man/codedeploy-agent-deploy-local.1.gz" "$stage/man/codedeploy-local.1.gz"
cp "$here/systemd/codedeploy-agent.service" "$stage/codedeploy-agent.service"
cp "$here/openrc/codedeploy-agent" "$stage/openrc"
for script in "$here"/scripts/*/*; do
	name=${script#"$here"/scripts/}
	cat "$here/scripts/service.sh" "$script" >"$stage/scripts/$name"
	chmod 0755 "$stage/scripts/$name"
done
cat >"$stage/copyright" <<TEXT
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: codedeploy-agent

Files: *
Copyright: $(date -u -d "@$EPOCH_SECONDS" +%Y) the codedeploy-agent authors
License: Apache-2.0
 On Debian systems the full text of the licence is in
 /usr/share/common-licenses/Apache-2.0. The licences of the modules that the
 binary contains are in third-party-licences.gz beside this file.
TEXT
printf 'codedeploy-agent (1:%s) unstable; urgency=medium\n\n  * Version %s, commit %s.\n\n -- %s  %s\n' "$PACKAGE_VERSION" "$VERSION" "$COMMIT" \
	"$MAINTAINER" "$(date -u -R -d "@$EPOCH_SECONDS")" | gzip -9n >"$stage/changelog.gz"

for GOARCH in ${ARCHITECTURES:-amd64 arm64}; do
	build "$TAGS" "$stage/codedeploy-agent"
	(cd "$project" && GOARCH= GOOS= go run ./packaging/bill -binary "$stage/codedeploy-agent" -version "$PACKAGE_VERSION" -date "$DATE_UTC" \
		-bill "$stage/sbom.cdx.json" -licences "$work/licences")
	gzip -9nc "$work/licences" >"$stage/third-party-licences.gz"
	chmod -R u=rwX,go=rX "$stage"
	find "$stage" -exec touch --no-dereference --date "@$EPOCH_SECONDS" {} +
	cp "$stage/sbom.cdx.json" "$OUT/codedeploy-agent_${PACKAGE_VERSION}_$GOARCH.cdx.json"
	for format in ${FORMATS:-deb rpm apk tar}; do
		case "$format" in
		tar)
			top=codedeploy-agent-$PACKAGE_VERSION-linux-$GOARCH
			rm -rf "${work:?}/$top"
			mkdir "$work/$top"
			cp "$stage/codedeploy-agent" "$stage/codedeploy-agent.service" "$stage/new-host.yml" "$stage/all-settings.yml" "$stage/sbom.cdx.json" "$work/$top/"
			cp "$project/LICENSE" "$work/$top/"
			cp "$work/licences" "$work/$top/third-party-licences"
			ln -s codedeploy-agent "$work/$top/codedeploy-local"
			mkdir "$work/$top/man" "$work/$top/completions"
			cp "$stage"/man/* "$work/$top/man/"
			cp "$stage"/completion.* "$work/$top/completions/"
			chmod -R u=rwX,go=rX "$work/$top"
			tar --create --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$EPOCH_SECONDS" --format=gnu --directory "$work" "$top" | gzip -9n >"$OUT/$top.tar.gz"
			;;
		*)
			version=$PACKAGE_VERSION
			# apk has neither epochs nor tildes.
			if [ "$format" = apk ]; then version=$(printf '%s' "$version" | sed 's/~\([0-9][0-9]*\)\..*/_git\1/; s/~/_/; s/+\([0-9]*\).*/_p\1/'); fi
			(cd "$work" && PACKAGE_VERSION=$version "$NFPM" package --config "$here/nfpm.yaml" --packager "$format" --target "$OUT/" >"$work/nfpm.log" 2>&1) || {
				cat "$work/nfpm.log" >&2
				exit 1
			}
			;;
		esac
	done
done
(cd "$OUT" && sha256sum codedeploy-agent[-_]* >SHA256SUMS)
