#!/bin/sh
# test-bare.sh runs the demonstration and the quick tests of the commands and the
# mount as on a machine that has Go and nothing else: in a mount namespace in which
# fusermount3, getfattr, shellcheck, python3, a C compiler and /etc/fuse.conf do not
# exist. Nothing outside of the namespace changes, and all that is mounted in it goes
# with its last process, however that ends: nothing is unmounted or cleaned up here.
# Mounts cover single files with an empty one; no folder is ever bound to another.
set -eu
if [ "${1-}" != inside ]; then
	if [ "$(id -u)" -ne 0 ] || ! unshare -m true 2>/dev/null; then
		echo "skipped: test-bare hides programs in a mount namespace, which needs root with CAP_SYS_ADMIN" >&2
		exit 0
	fi
	empty=$(mktemp)
	trap 'rm -f "$empty"' EXIT
	chmod 0 "$empty"
	unshare -m --propagation private "$0" inside "$empty" "$(readlink /proc/self/ns/mnt)"
	exit
fi

empty=$2
if [ "$(readlink /proc/self/ns/mnt)" = "$3" ]; then
	echo "test-bare: not in a mount namespace of its own" >&2
	exit 1
fi
# Mounts of others are let go of, whose servers could not end meanwhile.
grep ' fuse.expertfs ' /proc/self/mountinfo | cut -d' ' -f5 | while read -r m; do
	umount -l "$(printf '%b' "$m")" 2>/dev/null || true
done
# hide puts a file that cannot be run over every copy of a program.
hide() {
	IFS=:
	for dir in $PATH:/bin:/usr/bin:/usr/local/bin; do
		# shellcheck disable=SC3013 # every sh of Debian has -ef
		if [ -f "$dir/$1" ] && ! [ "$dir/$1" -ef "$empty" ]; then
			mount --bind "$empty" "$(readlink -f "$dir/$1")"
		fi
	done
	unset IFS
	if command -v "$1" >/dev/null; then
		echo "test-bare: $1 cannot be hidden" >&2
		exit 1
	fi
}
for program in fusermount fusermount3 getfattr shellcheck python3 cc gcc clang; do
	hide "$program"
done
# A file cannot be hidden by another mount; /etc without it is an overlay.
if [ -e /etc/fuse.conf ]; then
	mount -t tmpfs -o mode=0755 none /mnt
	mkdir /mnt/upper /mnt/work
	mount -t overlay -o lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work overlay /etc
	[ "$(stat -f -c %T /etc)" = overlayfs ] && rm /etc/fuse.conf
fi

# A folder with a blank in its name for what is temporary.
TMPDIR=$(mktemp -d "${TMPDIR:-/tmp}/bare machine.XXXXXX")
export TMPDIR
# A mount that is left in it is not entered.
trap 'rm -rf --one-file-system "$TMPDIR"' EXIT
chmod 0755 "$TMPDIR"
make="${MAKE:-make} --no-print-directory"
$make demo
$make test-inside-bare
