#!/bin/sh
# fuzz.sh runs every fuzz target of the module, one after the other, each for
# FUZZTIME: a number of inputs, so that a busy machine tests as much (default
# 1500x), or a time (60s). The targets of a package share one binary: go test -fuzz
# links it anew for each, which takes longer than to run it. What widens the coverage
# is kept where go test -fuzz keeps it.
set -eu
cd "$(dirname "$0")/.."
go=${GO:-go}
cache=$("$go" env GOCACHE)/fuzz
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u | while read -r dir; do
	package=$("$go" list "$dir")
	"$go" test -c -ldflags '-s -w' -fuzz . -o "$work/fuzz.test" "$dir"
	sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$dir"/*_test.go | sort -u | while read -r target; do
		echo "fuzz $dir $target"
		(cd "$dir" && "$work/fuzz.test" -test.run '^$' -test.fuzz "^$target\$" -test.fuzztime "${FUZZTIME:-1500x}" \
			-test.parallel 2 -test.fuzzcachedir "$cache/$package" </dev/null)
	done
done
