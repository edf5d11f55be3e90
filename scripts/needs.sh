#!/bin/sh
# needs.sh [build|mount] says what this machine lacks, and how to get it, before
# anything fails obscurely. It fails when something is lacking that cannot be done
# without: build asks for what compiles, mount for what mounts as well. Without a
# word it is about the tests: those that lack something skip, and it names them.
set -u
missing=0
lack() {
	echo "needed: $1" >&2
	missing=1
}
skip() { # TOOL PACKAGE WHAT
	command -v "$1" >/dev/null || echo "skipped without $1 (apt-get install $2): $3" >&2
}

# cannot_mount prints why this user cannot mount here, nothing when he can.
cannot_mount() {
	if ! [ -e /dev/fuse ]; then
		echo "/dev/fuse: run 'modprobe fuse' as root; in a container add '--device /dev/fuse --cap-add SYS_ADMIN'"
	elif ! (: <>/dev/fuse) 2>/dev/null; then
		echo "/dev/fuse that this user may open: 'chmod 666 /dev/fuse' as root, as most systems have it; in a container add '--device /dev/fuse --cap-add SYS_ADMIN'"
	elif [ "$(id -u)" -ne 0 ]; then
		command -v fusermount3 >/dev/null || echo "fusermount3, which mounts for users other than root: apt-get install fuse3"
	else
		# CAP_SYS_ADMIN is bit 21.
		case $(sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status) in
		*[2367abef]?????) ;;
		*) echo "CAP_SYS_ADMIN, without which root cannot mount: in a container add '--cap-add SYS_ADMIN'" ;;
		esac
	fi
}

cd "$(dirname "$0")/.." || exit 1
go=${GO:-go}
want="Go $(sed -n 's/^go //p' go.mod) or later (https://go.dev/dl/, or apt-get install golang-go where that is new enough)"
if ! command -v "$go" >/dev/null; then
	lack "$want"
elif ! said=$("$go" list -m 2>&1); then # which an older Go passes if it can fetch a newer one
	lack "$want: $said"
fi
case ${1-} in
build) ;;
mount)
	why=$(cannot_mount)
	[ -z "$why" ] || lack "$why"
	;;
*)
	why=$(cannot_mount)
	[ -z "$why" ] || echo "skipped: every test that mounts; for them, needed: $why" >&2
	[ "$(id -u)" -eq 0 ] || echo "skipped as a plain user: tests that become another user, and those of passthrough; root runs them" >&2
	skip fusermount3 fuse3 "mounts by a plain user (TestPlainUser, TestPlainUserMounts, TestErrorsOfPlainUsers)"
	skip setpriv util-linux "programs run as a plain user (TestPlainUserMounts, TestErrorsOfPlainUsers)"
	skip python3 python3 "converters of traces (TestConvert...)"
	skip curl curl "the download script (TestDownload...)"
	skip shellcheck shellcheck "make lint of the scripts"
	[ -x bin/versitygw ] || command -v versitygw >/dev/null || echo "skipped without versitygw (make gateway): mounts from a real S3 gateway (TestGateway)" >&2
	skip "${CC:-cc}" gcc "make test-race"
	skip qemu-aarch64 qemu-user "make test-arm64, on other processors"
	skip aarch64-linux-gnu-objdump binutils-aarch64-linux-gnu "the codes of arm64's instructions (TestEncodings)"
	;;
esac
exit $missing
