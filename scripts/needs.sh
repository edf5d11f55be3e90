#!/bin/sh
# needs.sh says what this machine lacks to build, test and mount, and how to get it.
set -u
missing=0
lack() {
	echo "needed: $1" >&2
	missing=1
}

if ! command -v go >/dev/null; then
	lack "Go 1.26 or later (https://go.dev/dl/, or apt-get install golang-go where that is new enough)"
fi
if ! [ -e /dev/fuse ]; then
	lack "/dev/fuse: run 'modprobe fuse' as root; in a container add '--device /dev/fuse --cap-add SYS_ADMIN'"
fi
if [ "$(id -u)" -ne 0 ] && ! command -v fusermount3 >/dev/null; then
	lack "fusermount3, which mounts for users other than root: apt-get install fuse3"
fi
exit $missing
