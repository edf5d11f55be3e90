#!/bin/sh
# fuzz.sh runs every fuzz target of the module, one after the other, each for
# FUZZTIME: a number of inputs, so that a busy machine tests as much (default
# 1500x), or a time (60s).
set -eu
cd "$(dirname "$0")/.."
go=${GO:-go}
grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u | while read -r dir; do
	sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$dir"/*_test.go | sort -u | while read -r target; do
		echo "fuzz $dir $target"
		"$go" test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-1500x}" -parallel 2 "$dir" </dev/null
	done
done
