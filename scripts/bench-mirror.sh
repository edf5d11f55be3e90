#!/usr/bin/env bash
# bench-mirror.sh [options]
#
# Compares the misses of a mount that reads one drive with those of one that reads two
# copies of the checkpoint on two drives: loop devices that a control group throttles. The
# arms take turns; prints MB/s of each run, the medians, and what two drives reach of the
# sum of both. Needs root, losetup, mkfs.ext4 and a control group for block devices.
#
#   --speeds A,B       MB/s of the drives (default 150,150)
#   --readers N        experts that are opened at the same time (default 1)
#   --experts N        opened in each run (default 24)
#   -r N               rounds (default 3)
#   --scratch DIR      where the drives' images lie (default: the folder for temporary files)
#   --bin DIR          where expertfs is (default: bin)
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)

die() {
	echo "bench-mirror: $*" >&2
	exit 1
}
speeds=150,150 readers=1 experts=24 rounds=3 scratch=${TMPDIR:-/tmp} bin=$here/bin
while [ $# -gt 0 ]; do
	case "$1" in
	--speeds) speeds=$2 ;;
	--readers) readers=$2 ;;
	--experts) experts=$2 ;;
	-r) rounds=$2 ;;
	--scratch) scratch=$2 ;;
	--bin) bin=$2 ;;
	*)
		sed -n '2,16s/^# \{0,1\}//p' "$0" >&2
		exit 2
		;;
	esac
	shift 2
done
[ -x "$bin/expertfs" ] || die "run make build first, or give --bin"
[ "$(id -u)" -eq 0 ] || die "needs root, to make drives"

dir=$(mktemp -d "$scratch/mirror.XXXXXX")
group=
cleanup() {
	"$bin/expertfs" umount "$dir/mnt" 2>/dev/null || true
	for drive in a b; do
		umount "$dir/$drive" 2>/dev/null || true
		[ ! -s "$dir/$drive.loop" ] || losetup -d "$(cat "$dir/$drive.loop")"
	done
	[ -z "$group" ] || rmdir "$group" || true
	rm -rf --one-file-system "$dir"
}
trap cleanup EXIT
mkdir "$dir/mnt"

for g in /sys/fs/cgroup/blkio /sys/fs/cgroup; do
	if [ -e "$g/cgroup.procs" ]; then
		group=$g/bench-mirror-$$
		mkdir "$group"
		break
	fi
done
[ -n "$group" ] || die "there are no control groups here"

# drive NAME MB/S makes a drive, throttled for members of the group.
drive() {
	mkdir "$dir/$1"
	truncate -s 1G "$dir/$1.img"
	losetup -f --show "$dir/$1.img" >"$dir/$1.loop"
	local loop number
	loop=$(cat "$dir/$1.loop")
	mkfs.ext4 -q -m 0 "$loop"
	mount "$loop" "$dir/$1"
	number=$(cat "/sys/class/block/${loop##*/}/dev")
	if [ -e "$group/blkio.throttle.read_bps_device" ]; then
		echo "$number ${2}000000" >"$group/blkio.throttle.read_bps_device"
	elif [ -e "$group/io.max" ]; then
		echo "$number rbps=${2}000000" >"$group/io.max"
	else
		die "$group: no control of block devices"
	fi
}
drive a "${speeds%,*}"
drive b "${speeds#*,}"
# One layer of experts as gpt-oss-20b has them, 13.2 MB each.
"$bin/expertfs" synth --layers 1 --hidden 2880 --intermediate 2880 --vocab 2048 "$dir/a/model" >/dev/null
cp -r "$dir/a/model" "$dir/b/model"
sync

# run FLAGS... mounts, opens absent experts and prints MB/s. Who opens waits until all
# of the expert is in RAM.
run() {
	local size began ended
	# shellcheck disable=SC2016 # expanded by the inner shell
	sh -c 'echo $$ >"$0/cgroup.procs"; exec "$@"' "$group" \
		"$bin/expertfs" mount --ram 30% --no-forecast --log-file "$dir/log" "$@" "$dir/mnt" >/dev/null
	size=$(stat -c %s "$dir/mnt/layers/00/experts/00.safetensors")
	began=$(date +%s.%N)
	# shellcheck disable=SC2016 # expanded by the inner shell
	find "$dir/mnt/layers/00/experts" -name '*.safetensors' | shuf -n "$experts" |
		xargs -P "$readers" -I{} sh -c ': <"$1"' sh {}
	ended=$(date +%s.%N)
	"$bin/expertfs" umount "$dir/mnt" >/dev/null
	awk -v n="$experts" -v s="$size" -v a="$began" -v b="$ended" 'BEGIN {printf "%.1f\n", n * s / (b - a) / 1e6}'
}

median() { sort -n | awk '{v[NR] = $1} END {print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }

declare -A figures=()
for _ in $(seq "$rounds"); do
	figures[first]+="$(run "$dir/a/model")"$'\n'
	figures[second]+="$(run "$dir/b/model")"$'\n'
	figures[both]+="$(run --mirror "$dir/b/model" "$dir/a/model")"$'\n'
done
echo "| drives at $speeds MB/s, $readers readers | MB/s of each run | median |"
echo "| --- | --- | --- |"
for arm in first second both; do
	echo "| $arm | $(sort -n <<<"${figures[$arm]%$'\n'}" | paste -sd' ') | $(median <<<"${figures[$arm]%$'\n'}") |"
	declare "$arm=$(median <<<"${figures[$arm]%$'\n'}")"
done
# shellcheck disable=SC2154 # declared above
awk -v a="$first" -v b="$second" -v c="$both" 'BEGIN {printf "both: %.2f of the sum, %.2fx of the first\n", c / (a + b), c / a}'
