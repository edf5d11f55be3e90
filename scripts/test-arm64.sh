#!/bin/sh
# test-arm64.sh runs the tests of arithmetic for arm64 on another processor, under
# qemu: of the kernels on a processor without dot products, one with them, and one
# with products of matrices too; the golden logits; what GGUF and rounding do. With
# ARM64=all the golden logits with each of these, and all of package infer and what
# lies below it, which takes a quarter of an hour. Nothing is mounted.
set -eu
skip() {
	echo "skipped: test-arm64: $1" >&2
	exit 0
}

cd "$(dirname "$0")/.."
go=${GO:-go}
qemu="qemu-aarch64"
[ "$("$go" env GOHOSTARCH)" != arm64 ] || skip "this processor is one: make test"
command -v "$qemu" >/dev/null || skip "$qemu is not installed (apt-get install qemu-user)"

export GOARCH=arm64 CGO_ENABLED=0
gptoss=$(mktemp "${TMPDIR:-/tmp}/gptoss-arm64.XXXXXX")
trap 'rm -f "$gptoss"' EXIT
trap 'exit 1' INT TERM HUP
"$go" build -o "$gptoss" ./cmd/gptoss

# On arm64 the compiler fuses x*y + z unless a conversion forbids it, which gives
# other bytes than on amd64. In fma32 the product is exact; what appendPredicted
# foretells decides no logit.
fused=$("$go" tool objdump -s '^expertfs/(infer|infer/kernel|checkpoint/[a-z0-9]+)\.' "$gptoss" |
	awk '/^TEXT/ { f = $2 } /FN?M(ADD|SUB)[SD]/ { print f }' | sort -u |
	grep -v -e '/kernel.fma32(' -e '/infer.appendPredicted(' || true)
[ -z "$fused" ] || {
	echo "test-arm64: products and sums are fused in $fused" >&2
	exit 1
}

# on CPU PACKAGE... tests on such a processor.
on() {
	cpu=$1
	shift
	"$go" test -timeout 30m -count 1 -short -exec "$qemu -cpu $cpu" "$@"
}
for level in cortex-a53:neon neoverse-n1:neon-dotprod max:neon-i8mm; do
	cpu=${level%:*} want=${level#*:}
	"$qemu" -cpu "$cpu" "$gptoss" version -v | grep -q "^kernels $want " || {
		echo "test-arm64: on $cpu the kernels are not $want" >&2
		exit 1
	}
	on "$cpu" ./infer/kernel
	[ "${ARM64:-}" != all ] || [ "$cpu" = max ] || on "$cpu" -run 'Golden' ./infer
done
if [ "${ARM64:-}" = all ]; then
	on max ./checkpoint/gguf ./checkpoint/q8 ./infer/...
else
	on max -run 'Golden' ./infer
	on max ./checkpoint/gguf ./checkpoint/q8
fi
