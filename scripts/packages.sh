#!/bin/sh
# packages.sh DIR: a deb and an rpm of this tree in DIR. VERSION names the release, and
# GOARCH the processors (default: those of this machine).
set -eu
cd "$(dirname "$0")/.."
out=$1
go=${GO:-go}
mkdir -p "$out"
tree=$(mktemp -d)
trap 'rm -r "$tree"' EXIT INT TERM
PACKAGE_ARCH=$($go env GOARCH)
# Without a tag the version is below all releases, and grows with the commits.
PACKAGE_VERSION=${VERSION:-$(git describe --tags 2>/dev/null || echo "0.0.0~$(git log -1 --format=%cd.%h --date=format:%Y%m%d%H%M 2>/dev/null || echo untracked)")}
PACKAGE_TREE=$tree/root
export PACKAGE_ARCH PACKAGE_VERSION PACKAGE_TREE

# The pages and completions are written by programs that run here.
host=$($go env GOHOSTARCH)
GOARCH=$host $go build -trimpath -ldflags "-s -w" -o "$tree/host/" ./cmd/...
DESTDIR=$PACKAGE_TREE PREFIX=/usr HELPERS=/usr/sbin BIN=$tree/host scripts/install.sh install
if [ "$PACKAGE_ARCH" != "$host" ]; then
	$go build -trimpath -ldflags "-s -w" -o "$PACKAGE_TREE/usr/bin/" ./cmd/...
fi
(cd scripts/packaging && GOARCH=$host $go build -o "$tree/nfpm" github.com/goreleaser/nfpm/v2/cmd/nfpm)
for format in deb rpm; do
	"$tree/nfpm" package --config scripts/packaging/nfpm.yaml --packager $format --target "$out"
done
