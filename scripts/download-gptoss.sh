#!/usr/bin/env bash
# download-gptoss.sh 20b|120b [--layout original|hf] DIR
#
# Fetches the weights of gpt-oss from the Hugging Face hub into DIR, in the
# layout asked for (default: original), and checks every file against the hub's
# checksum. Run it again after an interruption: whole files are kept, and a file
# that was cut short goes on where it stopped. Uses the `hf` command where there
# is one, else curl.
#
# HF_ENDPOINT names another hub or a mirror, HF_TOKEN a token for it.
set -euo pipefail

usage() {
	sed -n '2,10s/^# \{0,1\}//p' "$0" >&2
	exit 2
}
die() {
	echo "download-gptoss: $*" >&2
	exit 1
}

layout=original
args=()
while [ $# -gt 0 ]; do
	case "$1" in
	--layout)
		[ $# -ge 2 ] || usage
		layout=$2
		shift
		;;
	--layout=*) layout=${1#*=} ;;
	-h | --help) usage ;;
	-*) die "unknown flag $1; see --help" ;;
	*) args+=("$1") ;;
	esac
	shift
done
[ ${#args[@]} -eq 2 ] || usage
model=${args[0]} dir=${args[1]}
case "$model" in 20b | 120b) ;; *) die "model is '$model', want 20b or 120b" ;; esac

# Weights of one layout only: the other would double the download.
case "$layout" in
original) weights='^original/' ;;
hf) weights='^model.*\.safetensors(\.index\.json)?$' ;;
*) die "layout is '$layout', want original or hf" ;;
esac
small='^(config|tokenizer|tokenizer_config|generation_config|special_tokens_map)\.json$|^(LICENSE|USAGE_POLICY|chat_template\.jinja)$'

repo=openai/gpt-oss-$model
hub=${HF_ENDPOINT:-https://huggingface.co}
command -v curl >/dev/null || die "curl is needed: apt-get install curl"
auth=()
[ -z "${HF_TOKEN:-}" ] || auth=(-H "Authorization: Bearer $HF_TOKEN")

# listing prints one line a file of the repository: size, sha256 of a large
# file or sha1 of git's blob, path.
listing() {
	curl -fsSL --retry 5 "${auth[@]}" "$hub/api/models/$repo/tree/main?recursive=true" |
		tr -d '\n' | sed 's/{ *"type"/\n&/g' | awk '
		function field(name,   s) {
			if (!match($0, "\"" name "\" *: *(\"[^\"]*\"|[0-9]+)")) return ""
			s = substr($0, RSTART, RLENGTH); sub(/^[^:]*: */, "", s); gsub(/"/, "", s); return s
		}
		/"type" *: *"file"/ {
			path = field("path"); size = field("size"); sum = field("oid")
			if (match($0, /"lfs" *: *{[^}]*}/)) {
				$0 = substr($0, RSTART, RLENGTH); sum = field("oid"); size = field("size")
			}
			print size, sum, path
		}'
}

# sound says whether FILE has the size and checksum that the hub gives for it.
sound() { # FILE SIZE SUM
	[ -f "$1" ] && [ "$(stat -Lc %s "$1")" = "$2" ] || return 1
	if [ ${#3} -eq 64 ]; then
		[ "$(sha256sum <"$1" | cut -d' ' -f1)" = "$3" ]
	else
		[ "$({ printf 'blob %d\0' "$2" && cat "$1"; } | sha1sum | cut -d' ' -f1)" = "$3" ]
	fi
}

human() { numfmt --to=iec-i --suffix=B --format=%.1f "$1"; }

files=$(listing | awk -v w="$weights" -v s="$small" '$3 ~ w || $3 ~ s') ||
	die "cannot list $repo at $hub: no network, or the hub is down"
grep -q 'safetensors$' <<<"$files" || die "$repo at $hub lists no safetensors of the $layout layout"

mkdir -p "$dir"
total=0 need=0
while read -r size _ path; do
	total=$((total + size))
	have=0
	for part in "$dir/$path" "$dir/$path.part"; do
		[ ! -f "$part" ] || have=$(stat -Lc %s "$part")
	done
	[ "$have" -ge "$size" ] || need=$((need + size - have))
done <<<"$files"
free=$(df --output=avail -B1 "$dir" | tail -n1 | tr -d ' ')
echo "$repo, $layout layout: $(human "$total") in $(wc -l <<<"$files") files; $(human "$need") to fetch, $(human "$free") free in $dir"
[ "$need" -le "$free" ] || die "$dir lacks $(human $((need - free))) of space: free some, or choose another folder"

if command -v hf >/dev/null; then
	include=()
	while read -r _ _ path; do include+=("$path"); done <<<"$files"
	hf download "$repo" "${include[@]}" --local-dir "$dir"
fi

bad=0
while read -r size sum path; do
	file=$dir/$path
	if sound "$file" "$size" "$sum"; then
		echo "ok       $path"
		continue
	fi
	if command -v hf >/dev/null; then
		echo "damaged  $path: delete it and run this again" >&2
		bad=1
		continue
	fi
	mkdir -p "$(dirname "$file")"
	# More bytes than the file has cannot be its beginning.
	if [ -f "$file.part" ] && [ "$(stat -c %s "$file.part")" -gt "$size" ]; then rm "$file.part"; fi
	echo "fetching $path ($(human "$size"))"
	progress=--silent
	[ ! -t 2 ] || progress=--progress-bar
	if [ ! -f "$file.part" ] || [ "$(stat -c %s "$file.part")" -lt "$size" ]; then
		curl -fL --show-error $progress --retry 5 -C - "${auth[@]}" -o "$file.part" "$hub/$repo/resolve/main/$path" ||
			die "$path was not fetched whole; run the same command again to go on"
	fi
	if sound "$file.part" "$size" "$sum"; then
		mv "$file.part" "$file"
		echo "ok       $path"
	else
		rm -f "$file.part"
		echo "damaged  $path: its checksum is wrong; run this again to fetch it anew" >&2
		bad=1
	fi
done <<<"$files"
[ $bad -eq 0 ] || exit 1
echo "complete: expertfs mount $dir MOUNTPOINT"
