#!/usr/bin/env bash
# bench-plain.sh --checkpoint DIR [options]
#
# Compares generation on a mount of root with that on a mount of a plain user, in
# turn, each with descriptors from the socket and with files alone. Prints tokens
# per second and the ratios of the medians. Needs root and fusermount3; files of
# the checkpoint must be readable by all.
#
#   --room N           percent of the experts that RAM has room for (default 25)
#   -n N, -r N         generated tokens, rounds (default 32, 3)
#   --arms LIST        of root-socket, root-files, plain-socket, plain-files
#                      (default: all four)
#   --gptoss "FLAGS"   more flags for gptoss bench
#   --bin DIR          where expertfs and gptoss are (default: bin)
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)

die() {
	echo "bench-plain: $*" >&2
	exit 1
}
checkpoint='' room=25 generate=32 rounds=3 arms=root-socket,root-files,plain-socket,plain-files flags='' bin=$here/bin
while [ $# -gt 0 ]; do
	case "$1" in
	--checkpoint) checkpoint=$2 ;;
	--room) room=$2 ;;
	-n) generate=$2 ;;
	-r) rounds=$2 ;;
	--arms) arms=$2 ;;
	--gptoss) flags=$2 ;;
	--bin) bin=$2 ;;
	*)
		sed -n '2,15s/^# \{0,1\}//p' "$0" >&2
		exit 2
		;;
	esac
	shift 2
done
[ -d "$checkpoint" ] || die "--checkpoint names the model"
[ -x "$bin/gptoss" ] || die "run make build first, or give --bin"
[ "$(id -u)" -eq 0 ] || die "needs root, to be root and a plain user in turn"
fusermount=$(command -v fusermount3) || die "fusermount3 not found (Debian, Ubuntu, Fedora: package fuse3)"

user=65534 # nobody
dir=$(mktemp -d)
cleanup() {
	"$bin/expertfs" umount "$dir/mnt" 2>/dev/null || true
	rm -rf --one-file-system "$dir"
}
trap cleanup EXIT
chmod 755 "$dir"
mkdir "$dir/mnt"
cp "$bin/expertfs" "$bin/gptoss" "$dir/"
mknod -m 666 "$dir/fuse" c 10 229

facts=$("$bin/expertfs" check --json "$checkpoint")
experts=$(sed -n 's/.*"experts_bytes": *\([0-9]*\).*/\1/p' <<<"$facts")
[ -n "$experts" ] || die "expertfs check $checkpoint gave no size of the experts"
ram=$((experts * room / 100))

# session mounts, generates twice, and unmounts: the first time fills RAM. It runs
# as one program, so that a plain user's mount may be in a namespace of its own.
# shellcheck disable=SC2016 # expanded by the inner shell
session='"$1/expertfs" mount --ram "$2" "$3" "$1/mnt" >&2 &&
	"$1/gptoss" bench --model "$1/mnt" -p 0 -n "$4" -r 2 --no-warmup -o json $5
	grep -E "^# (reads|socket|RAM tier):" "$1/mnt/.expertfs/stats" >&2
	"$1/expertfs" umount "$1/mnt" >&2'

# run ARM prints tokens per second of the second time.
run() {
	local as=() tps
	case "$1" in
	root-*) chown 0:0 "$dir/mnt" ;;
	plain-*)
		chown $user:$user "$dir/mnt"
		# /dev/fuse is open to all on most systems, and may not be here.
		# shellcheck disable=SC2016 # expanded by the inner shell
		as=(unshare -m sh -c 'mount --bind "$0/fuse" /dev/fuse && exec "$@"' "$dir"
			setpriv --reuid="$user" --regid="$user" --clear-groups env -u XDG_RUNTIME_DIR PATH="$PATH:$(dirname "$fusermount")") ;;
	*) die "no arm is called $1" ;;
	esac
	local socket=()
	case "$1" in *-files) socket=(env EXPERTFS_RUNTIME_DIR=/proc/none) ;; esac
	tps=$("${as[@]}" "${socket[@]}" sh -c "$session" sh "$dir" "$ram" "$checkpoint" "$generate" "$flags" 2>"$dir/err" |
		tr -d '\n' | sed -n 's/.*"samples_ts": *\[\([^]]*\)\].*/\1/p' | awk -F, '{printf "%.3f", $NF}')
	[ -n "$tps" ] || die "no figure from $1: $(tail -n5 "$dir/err")"
	sed "s/^# /# $1: /" "$dir/err" | grep '^# ' >&2 || true
	echo "$tps"
}

median() { sort -n | awk '{v[NR] = $1} END {print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }

declare -A figures=()
for _ in $(seq "$rounds"); do
	for arm in ${arms//,/ }; do
		figures[$arm]+="$(run "$arm")"$'\n'
	done
done
echo "| mount and way | tok/s of each run, room for $room% | median |"
echo "| --- | --- | --- |"
for arm in ${arms//,/ }; do
	echo "| $arm | $(sort -n <<<"${figures[$arm]%$'\n'}" | paste -sd' ') | $(median <<<"${figures[$arm]%$'\n'}") |"
done
first=${arms%%,*}
for arm in ${arms//,/ }; do
	[ "$arm" != "$first" ] || continue
	echo "$first to $arm: $(awk -v a="$(median <<<"${figures[$first]%$'\n'}")" -v b="$(median <<<"${figures[$arm]%$'\n'}")" 'BEGIN {printf "%.2f", a / b}')x"
done
