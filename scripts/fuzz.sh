#!/bin/sh
# fuzz.sh runs every fuzz target of the module for FUZZTIME (default 4s), one after the other.
set -eu
grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u | while read -r dir; do
	sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$dir"/*_test.go | sort -u | while read -r target; do
		echo "fuzz $dir $target"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-4s}" -parallel 2 "$dir" </dev/null
	done
done
