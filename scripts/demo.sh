#!/bin/sh
# demo.sh BIN: mounts the embedded model, shows the tree, generates text through
# the mount, prints what the cache did, and unmounts. Each command is shown as it
# is run.
# shellcheck disable=SC2016 # variables are expanded where the commands run
set -eu
PATH=$(cd "$1" && pwd):$PATH
MNT=$(mktemp -d)
# Its chat and its prefixes are not kept among the user's.
own=$(mktemp -d)
export PATH MNT GPTOSS_CHAT_DIR="$own/chats" GPTOSS_PREFIX_DIR="$own/prefixes"
cleanup() {
	expertfs umount "$MNT" 2>/dev/null || true
	rmdir "$MNT"
	rm -rf "$own"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

bold=$(printf '\033[1m') plain=$(printf '\033[0m')
[ -t 1 ] || bold='' plain=''

show() { # COMMAND
	printf '\n%s$ %s%s\n' "$bold" "$1" "$plain"
	sh -c "$1"
}

echo "A demonstration on a toy model of 6 MB, trained on three old books and speeches: it knows nothing, and babbles in their style."

# Room for about half of the 128 experts.
show 'expertfs mount --ram 2MiB embed:tiny "$MNT"'
show 'ls -C "$MNT" "$MNT"/layers/02'
show 'ls -C -w 80 "$MNT"/layers/02/experts'
# The length of the header, 8 bytes, is left out, and so is the header's padding.
show 'head -c 600 "$MNT"/layers/02/experts/07.safetensors | tail -c +9 | sed "s/ *$//"'
echo

for prompt in "In the beginning" "Call me Ishmael" "Fellow citizens of the Senate"; do
	show "gptoss run --model \"\$MNT\" --temp 0.8 --seed 7 -n 60 -p '$prompt'"
	echo
done
show 'echo "Tell me of the white whale" | gptoss chat --model "$MNT" --temp 0.8 --seed 7 -n 60'
echo

show 'grep "^# [a-z]" "$MNT"/.expertfs/stats'
show 'grep -E "^expertfs_(resident_experts|ram(_budget)?_bytes|(hits|misses|loads|evictions|opens|prefetch_useful|drive_read_bytes)_total) " "$MNT"/.expertfs/stats'
show 'expertfs umount "$MNT"'
