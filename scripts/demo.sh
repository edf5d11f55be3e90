#!/bin/sh
# demo.sh BIN: mounts the embedded model, shows the tree, generates text through
# the mount, prints what the cache did, and unmounts.
set -eu
bin=$(cd "$1" && pwd)
mnt=$(mktemp -d)
cleanup() {
	"$bin/expertfs" umount "$mnt" 2>/dev/null || true
	rmdir "$mnt"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '\n%s\n' "$*"; }

say "\$ expertfs mount --ram 2MiB embed:tiny MNT     (room for about half of the 128 experts)"
"$bin/expertfs" mount --ram 2MiB embed:tiny "$mnt"

say "\$ ls MNT MNT/layers/02 MNT/layers/02/experts"
(cd "$mnt" && ls . layers/02 layers/02/experts)

say "\$ head -c 600 MNT/layers/02/experts/07.safetensors"
head -c 600 "$mnt/layers/02/experts/07.safetensors" | tail -c +9
echo

generate() { # PROMPT
	say "\$ gptoss run --model MNT --temp 0.8 --seed 7 -n 60 -p '$1'"
	"$bin/gptoss" run --model "$mnt" --temp 0.8 --seed 7 -n 60 -p "$1"
	echo
}
generate "In the beginning"
generate "Call me Ishmael"
generate "Fellow citizens of the Senate"

say "\$ echo 'Tell me of the white whale' | gptoss chat --model MNT"
echo "Tell me of the white whale" | "$bin/gptoss" chat --model "$mnt" --temp 0.8 --seed 7 -n 60
echo

say "\$ cat MNT/.expertfs/stats"
cat "$mnt/.expertfs/stats"

say "\$ expertfs umount MNT"
"$bin/expertfs" umount "$mnt"
echo "unmounted"
