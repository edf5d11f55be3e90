#!/bin/sh
# needs.sh says what this machine lacks to build, test and mount, and how to get it.
set -u
missing=0
lack() {
	echo "needed: $1" >&2
	missing=1
}

cd "$(dirname "$0")/.." || exit 1
go=${GO:-go}
want="Go $(sed -n 's/^go //p' go.mod) or later (https://go.dev/dl/, or apt-get install golang-go where that is new enough)"
if ! command -v "$go" >/dev/null; then
	lack "$want"
elif ! said=$("$go" list -m 2>&1); then # which an older Go passes if it can fetch a newer one
	lack "$want: $said"
fi
if ! [ -e /dev/fuse ]; then
	lack "/dev/fuse: run 'modprobe fuse' as root; in a container add '--device /dev/fuse --cap-add SYS_ADMIN'"
fi
if [ "$(id -u)" -ne 0 ] && ! command -v fusermount3 >/dev/null; then
	lack "fusermount3, which mounts for users other than root: apt-get install fuse3"
fi
exit $missing
