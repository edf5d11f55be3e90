#!/usr/bin/env bash
# bench-peer.sh --llama-bench PATH --gguf FILE --checkpoint DIR [options]
#
# Runs llama.cpp and gptoss in turn, each alone, in one memory cgroup, and prints
# tokens per second and the ratio of the medians. Give -p or -n, not both.
#
#   --room LIST        percent of the experts that the limit leaves room for, or
#                      "all" for no limit (default all)
#   --readahead LIST   readahead of the drive in KiB while llama.cpp runs (default: as it is)
#   -p N, -n N, -r N   prompt tokens, generated tokens, repetitions (default 0, 64, 3)
#   --policy NAME      eviction policy of the mount (default: its own)
#   --gptoss "FLAGS"   more flags for gptoss bench
#   --load N           busy processes at nice 19 beside either (default 0)
#   --copy DIR         also run gptoss on this plain copy of the tree, in page cache
#
# A limit is the dense weights of the GGUF + 350 MB + the room for experts. The
# mount's --ram is what gptoss leaves of it: the limit - its own dense weights (of
# 8 bits) - 350 MB. A limit needs root, and a llama.cpp built with
# -DGGML_CPU_REPACK=OFF, which computes on the mapped file.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)

die() {
	echo "bench-peer: $*" >&2
	exit 1
}
llama='' gguf='' checkpoint='' copy='' rooms=all readaheads='' prompt=0 generate=64 reps=3 load=0 policy='' flags=''
while [ $# -gt 0 ]; do
	case "$1" in
	--llama-bench) llama=$2 ;;
	--gguf) gguf=$2 ;;
	--checkpoint) checkpoint=$2 ;;
	--copy) copy=$2 ;;
	--room) rooms=$2 ;;
	--readahead) readaheads=$2 ;;
	-p) prompt=$2 ;;
	-n) generate=$2 ;;
	-r) reps=$2 ;;
	--policy) policy=$2 ;;
	--gptoss) flags=$2 ;;
	--load) load=$2 ;;
	*)
		sed -n '2,20s/^# \{0,1\}//p' "$0" >&2
		exit 2
		;;
	esac
	shift 2
done
[ -x "$llama" ] || die "--llama-bench names llama.cpp's llama-bench"
[ -f "$gguf" ] || die "--gguf names the model for llama.cpp"
[ -d "$checkpoint" ] || die "--checkpoint names the model for expertfs"
[ -x "$here/bin/gptoss" ] || die "run make build first"

mnt=$(mktemp -d)
[ "$prompt" -eq 0 ] || [ "$generate" -eq 0 ] || die "give one of -p and -n, and 0 for the other"
drive=$(lsblk -no PKNAME "$(df --output=source "$checkpoint" | tail -n1)" 2>/dev/null | head -n1)
[ -n "$drive" ] || drive=$(basename "$(df --output=source "$checkpoint" | tail -n1)")
ra_file=/sys/block/$drive/queue/read_ahead_kb
ra_before=$(cat "$ra_file")
readaheads=${readaheads:-$ra_before}
if [ -d /sys/fs/cgroup/memory ]; then
	group=/sys/fs/cgroup/memory/expertfs-bench limit_file=memory.limit_in_bytes
else
	group=/sys/fs/cgroup/expertfs-bench limit_file=memory.max
fi
busy=()
cleanup() {
	for pid in "${busy[@]}"; do kill "$pid" 2>/dev/null || true; done
	"$here/bin/expertfs" umount "$mnt" 2>/dev/null || true
	rmdir "$mnt" "$group" 2>/dev/null || true
	echo "$ra_before" >"$ra_file" 2>/dev/null || true
}
trap cleanup EXIT

# in_group runs a command under the limit in force, in a cold page cache when there is one.
in_group() {
	if [ "$limit" = none ]; then
		"$@"
		return
	fi
	sync
	echo 3 >/proc/sys/vm/drop_caches
	mkdir -p "$group"
	echo "$limit" >"$group/$limit_file"
	(
		echo "$BASHPID" >"$group/cgroup.procs"
		exec "$@"
	)
}

# speed prints tokens per second of one run: of the second of two tests in it,
# when either engine has in RAM what it would have in steady work.
speed() {
	local tps
	tps=$("$@" 2>"$mnt.err" | tr -d '\n' | sed -n 's/.*"samples_ts": *\[\([^]]*\)\].*/\1/p' | awk -F, '{printf "%.2f", $NF}')
	[ -n "$tps" ] || die "no figure from: $* ($(tail -n3 "$mnt.err"))"
	rm -f "$mnt.err"
	echo "$tps"
}

run_llama() { in_group "$llama" -m "$gguf" -t 2 -p "$prompt" -n "$generate" -r 2 --no-warmup -o json; }
run_copy() {
	# shellcheck disable=SC2086 # flags are words
	in_group "$here/bin/gptoss" bench --model "$copy" -t 2 -p "$prompt" -n "$generate" -r 2 --no-warmup -o json $flags
}
run_mount() {
	# The RAM tier is filled first, as llama.cpp fills the page cache when it loads.
	# shellcheck disable=SC2016 # expanded by the inner shell
	in_group sh -c '"$1/bin/expertfs" mount --ram "$2" ${3:+--policy "$3"} "$4" "$5" >&2 &&
		cat "$5"/layers/*/experts/* >/dev/null &&
		"$1/bin/gptoss" bench --model "$5" -t 2 -p "$6" -n "$7" -r 2 --no-warmup -o json $8; "$1/bin/expertfs" umount "$5" >&2' \
		sh "$here" "$ram" "$policy" "$checkpoint" "$mnt" "$prompt" "$generate" "$flags"
}

median() { sort -n | awk '{v[NR] = $1} END {print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }
row() { # NAME FIGURES: one a line
	printf '| %s | %s | %s | %s |\n' "$1" "$room" "$(sort -n <<<"$2" | paste -sd' ')" "$(median <<<"$2")"
}

facts=$("$here/bin/expertfs" check --json "$checkpoint")
experts=$(sed -n 's/.*"experts_bytes": *\([0-9]*\).*/\1/p' <<<"$facts")
[ -n "$experts" ] || die "expertfs check $checkpoint gave no size of the experts"
dense=$(($(stat -Lc %s "$gguf") - experts)) # the embedding included, of which gptoss reads a row a token
own=$(sed -n 's/.*"dense_bytes": *\([0-9]*\).*/\1/p' <<<"$facts")
[ -n "$own" ] || die "expertfs check $checkpoint gave no size of the dense weights"
own=$((own * 17 / 32)) # 8 bits each, and a scale for 32
beside=350000000
for _ in $(seq "$load"); do
	nice -n 19 sh -c 'while :; do :; done' &
	busy+=($!)
done

echo "| engine | room for experts, % | tok/s of each run | median |"
echo "| --- | --- | --- | --- |"
for room in ${rooms//,/ }; do
	if [ "$room" = all ]; then
		limit=none ram=$((experts + experts / 50))
	else
		limit=$((dense + beside + experts * room / 100)) ram=$((limit - beside - own))
	fi
	unset peers
	declare -A peers=()
	ours='' plain=''
	for _ in $(seq "$reps"); do
		for ra in ${readaheads//,/ }; do
			echo "$ra" >"$ra_file"
			peers[$ra]+="$(speed run_llama)"$'\n'
			echo "$ra_before" >"$ra_file"
		done
		ours+="$(speed run_mount)"$'\n'
		[ -z "$copy" ] || plain+="$(speed run_copy)"$'\n'
	done
	mine=$(median <<<"${ours%$'\n'}")
	row "gptoss on the mount" "${ours%$'\n'}"
	[ -z "$copy" ] || row "gptoss on a plain copy" "${plain%$'\n'}"
	for ra in "${!peers[@]}"; do
		row "llama.cpp, readahead $ra" "${peers[$ra]%$'\n'}"
		theirs=$(median <<<"${peers[$ra]%$'\n'}")
		echo "ratio at $room, readahead $ra: $(awk -v a="$mine" -v b="$theirs" 'BEGIN {printf "%.2f", a / b}')x"
	done
	[ -z "$copy" ] || echo "ratio at $room, mount to plain copy: $(awk -v a="$mine" -v b="$(median <<<"${plain%$'\n'}")" 'BEGIN {printf "%.2f", a / b}')x"
done
