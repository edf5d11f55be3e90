#!/bin/sh
# Installs the deb, starts a mount as the unit does and by mount(8), upgrades while it
# serves, and removes it, in a view of this machine that is thrown away: a root folder
# that lies over / in a mount namespace of its own.
set -eu
cd "$(dirname "$0")/.."
skip() {
	echo "skipped: test of packages: $1" >&2
	exit 0
}

if [ "${1-}" = inside ]; then
	mkdir -p /etc/expertfs /mnt/packaged /mnt/byhand
	dpkg -i /tmp/packages/old/*.deb
	old=$(expertfs version)
	for page in expertfs.1 expertfs-mount.1 gptoss-serve.1; do
		gzip -t "/usr/share/man/man1/$page.gz"
	done
	gzip -t /usr/share/man/man8/mount.expertfs.8.gz
	bash -n /usr/share/bash-completion/completions/expertfs
	if command -v systemd-analyze >/dev/null; then
		systemd-analyze verify expertfs@tiny.service
	fi

	sed 's|^checkpoint.*|checkpoint = embed:tiny|; s|^mountpoint.*|mountpoint = /mnt/packaged|; s|^ram.*|ram = 4MiB|' \
		/usr/share/doc/expertfs/example.conf >/etc/expertfs/tiny.conf
	unit=/usr/lib/systemd/system/expertfs@.service
	start=$(sed -n 's/^ExecStart=//p' $unit | sed 's/%i/tiny/')
	caps=$(sed -n 's/^CapabilityBoundingSet=//p' $unit | tr 'A-Z ' 'a-z,' | sed 's/cap_/+/g')
	# shellcheck disable=SC2086 # the words of the line
	setpriv --bounding-set "-all,$caps" --no-new-privs $start 2>/tmp/mount.log &
	server=$!
	trap 'kill $server 2>/dev/null || true; umount -l /mnt/byhand 2>/dev/null || true' EXIT
	i=0
	until [ -e /mnt/packaged/.expertfs/stats ]; do
		i=$((i + 1))
		if [ $i -gt 300 ]; then cat /tmp/mount.log; exit 1; fi
		sleep 0.1
	done
	mount -t expertfs -o ram=4MiB embed:tiny /mnt/byhand
	want=$(gptoss run --model /mnt/byhand -n 8 --temp 0 -p "In the beginning")
	[ -n "$want" ] && [ "$want" = "$(gptoss run --model /mnt/packaged -n 8 --temp 0 -p "In the beginning")" ]

	dpkg -i /tmp/packages/new/*.deb
	[ "$(expertfs version)" = "$old" ] # of one commit; the package's version has grown
	dpkg -s expertfs | grep -q '^Version: 2.0.0$'
	[ "$want" = "$(gptoss run --model /mnt/packaged -n 8 --temp 0 -p "In the beginning")" ]
	expertfs umount /mnt/byhand
	kill $server
	wait $server
	! grep -q ' fuse.expertfs ' /proc/self/mountinfo || { echo "a mount is left"; exit 1; }

	dpkg -L expertfs >/tmp/files
	dpkg -r expertfs
	while read -r file; do
		if [ -f "$file" ] || [ -L "$file" ]; then echo "left behind: $file"; exit 1; fi
	done </tmp/files
	[ -f /etc/expertfs/tiny.conf ] # what the user wrote is the user's
	echo "package: installed, started, upgraded, removed"
	exit 0
fi

[ "$(id -u)" -eq 0 ] || skip "needs root"
command -v dpkg >/dev/null || skip "needs dpkg"
[ -e /dev/fuse ] || skip "needs /dev/fuse"
dir=$(mktemp -d)
# The debs lie outside of what the namespace mounts; nothing is mounted in $dir out here.
trap 'rm -rf --one-file-system "$dir/debs"; rmdir "$dir/view" "$dir"' EXIT INT TERM
mkdir "$dir/debs" "$dir/view"
VERSION=1.0.0 scripts/packages.sh "$dir/debs/old"
VERSION=2.0.0 scripts/packages.sh "$dir/debs/new"
rm "$dir"/debs/*/*.rpm
# shellcheck disable=SC2016 # the inner shell expands them
unshare -m --propagation private sh -euc '
	cd "$1"
	mount -t tmpfs tmpfs view
	mkdir view/up view/work view/root
	mount -t overlay overlay -o lowerdir=/,upperdir=view/up,workdir=view/work view/root 2>/dev/null || exit 77
	mount -t tmpfs tmpfs view/root/tmp
	mount --rbind /dev view/root/dev
	mount -t proc proc view/root/proc
	cp -r debs view/root/tmp/packages
	cp "$2" view/root/tmp/inside.sh
	cd view/root
	exec chroot . sh /tmp/inside.sh inside' sh "$dir" "$PWD/scripts/test-packages.sh" </dev/null || {
	code=$?
	[ $code -ne 77 ] || skip "cannot lay a folder over /"
	exit $code
}
