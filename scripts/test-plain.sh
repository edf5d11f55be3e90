#!/bin/sh
# test-plain.sh runs the demonstration and the quick tests as a user without
# privileges does: in a copy of the tree that is his own, with nothing of root's at
# hand but what Go has compiled. When root runs it, the user is nobody; another user
# runs it as himself. Everything is a plain copy in one temporary folder, which is
# removed in the end; the only mount, of a device that he may open on /dev/fuse, is in a
# mount namespace that goes with its last process.
set -eu
skip() {
	echo "skipped: test-plain: $1" >&2
	exit 0
}

cd "$(dirname "$0")/.."
go=$(command -v "${GO:-go}") || skip "there is no Go"
root=$("$go" env GOROOT)
make=${MAKE:-make}

# demo_and_tests runs in the copy, as the user.
if [ "${1-}" = demo_and_tests ]; then
	# The demonstration needs what mounts; the tests say by name what they skip.
	if scripts/needs.sh mount; then
		"$make" --no-print-directory demo
	else
		echo "skipped: test-plain: the demonstration" >&2
	fi
	exec "$make" --no-print-directory test-inside-plain
fi

# plain runs a command as the user. fusermount3 is setuid: he may gain privileges.
plain() {
	if [ "$(id -u)" -eq 0 ]; then
		setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
	else
		"$@"
	fi
}
if [ "$(id -u)" -eq 0 ]; then
	command -v setpriv >/dev/null || skip "setpriv (util-linux) is not installed"
	plain true || skip "root may not become another user here"
	plain "$root/bin/go" version >/dev/null 2>&1 || skip "other users may not run $root/bin/go"
fi

copy=$(mktemp -d "${TMPDIR:-/tmp}/expertfs plain.XXXXXX")
trap 'rm -rf --one-file-system "$copy"' EXIT
trap 'exit 1' INT TERM HUP
mkdir "$copy/tree" "$copy/cache" "$copy/tmp"
if git rev-parse HEAD >/dev/null 2>&1; then
	git ls-files -z --cached --others --exclude-standard
else
	find . -path ./bin -prune -o -type f -print0
fi | tar -c --null -T - --ignore-failed-read -f - | tar -x -f - -C "$copy/tree"
# With the modules beside the tree nothing of root's is read, nor is there a need for the network.
(cd "$copy/tree" && "$go" mod vendor)
# What root has compiled in the last hours need not be compiled again: the user's cache has links
# to those files, which he can read and not change. Go takes a file where it would
# compile the same, which with GOFLAGS=-trimpath it does in this copy too. On another drive
# the user begins with none, and one that cannot be linked he compiles himself.
cache=$("$go" env GOCACHE)
if [ "$(stat -c %d "$cache")" = "$(stat -c %d "$copy")" ]; then
	(cd "$cache" && find ./[0-9a-f][0-9a-f] -type f -mmin -180 -perm -004 -print0 | xargs -0 -r cp -l --parents -t "$copy/cache") || true
fi
if [ "$(id -u)" -eq 0 ]; then
	chown -R 65534:65534 "$copy/tree" "$copy/tmp"
	find "$copy" -type d -exec chown 65534:65534 {} +
	plain test -x "$copy" || skip "other users cannot get into ${TMPDIR:-/tmp}"
fi

set -- env -i PATH="$root/bin:$PATH" HOME="$copy" TMPDIR="$copy/tmp" GOCACHE="$copy/cache" GOFLAGS="$("$go" env GOFLAGS) -mod=vendor" \
	CGO_ENABLED="$("$go" env CGO_ENABLED)" \
	GOTOOLCHAIN=local sh scripts/test-plain.sh demo_and_tests
cd "$copy/tree"
if [ "$(id -u)" -eq 0 ] && [ -e /dev/fuse ] && unshare -m true 2>/dev/null; then
	mknod -m 666 "$copy/fuse" c 10 229
	# shellcheck disable=SC2016 # the inner shell expands them
	unshare -m --propagation private sh -c '
		mount --bind "$1" /dev/fuse
		shift
		exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@"' sh "$copy/fuse" "$@"
else
	plain "$@"
fi
