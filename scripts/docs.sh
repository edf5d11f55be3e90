#!/bin/sh
# docs.sh puts the flags of both programs, as the programs tell them, into
# docs/configuration.md, between the marks that name the program.
set -eu
cd "$(dirname "$0")/.."
bin=${BIN:-bin}
doc=docs/configuration.md
new=$(mktemp)
trap 'rm -f "$new"' EXIT INT TERM
for program in expertfs gptoss; do
	"$bin/$program" man --markdown |
		awk -v program=$program '
			FNR == NR { text = text $0 "\n"; next }
			$0 == "<!-- " program " -->" { print; printf "\n%s", text; inside = 1; next }
			$0 == "<!-- end -->" { inside = 0 }
			!inside { print }' - $doc >"$new"
	cat "$new" >$doc
done
