package kernel

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// macro is a line of neon_arm64.h: a name, parameters, an instruction's code, and
// that instruction as disassemblers write it.
var macro = regexp.MustCompile(`^#define (\w+)\(([\w, ]+)\) WORD \$\((.+)\) // (.+)$`)

// parameter is where the text of an instruction has one: after the letter of a kind
// of register, after a #, or as an index.
var parameter = regexp.MustCompile(`\b([vqdswx])([dnmtux])\b|#(s|off)\b|\[(i)\]`)

// Every macro that stands for an instruction is that instruction, whatever its
// operands: what Go's assembler makes of them is disassembled.
func TestEncodings(t *testing.T) {
	const disassembler = "aarch64-linux-gnu-objdump"
	if _, err := exec.LookPath(disassembler); err != nil {
		t.Skip(disassembler + " is not installed (apt-get install binutils-aarch64-linux-gnu)")
	}
	header, err := os.ReadFile("neon_arm64.h")
	require.NoError(t, err)
	var calls, want []string
	for line := range strings.Lines(string(header)) {
		m := macro.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			require.NotContains(t, line, "WORD", "not understood")
			continue
		}
		for round := range 4 {
			values := map[string]int{}
			var args []string
			for i, p := range strings.Split(m[2], ", ") {
				values[p] = operand(p, m[4], i, round)
				args = append(args, fmt.Sprint(values[p]))
			}
			calls = append(calls, fmt.Sprintf("\t%s(%s)\n", m[1], strings.Join(args, ", ")))
			want = append(want, parameter.ReplaceAllStringFunc(m[4], func(s string) string {
				o := parameter.FindStringSubmatch(s)
				switch {
				case o[3] != "":
					return fmt.Sprintf("#%d", values[o[3]])
				case o[4] != "":
					return fmt.Sprintf("[%d]", values[o[4]])
				}
				return fmt.Sprintf("%s%d", o[1], values[o[2]])
			}))
		}
	}

	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":       "module encodings\n",
		"main.go":      "package main\n\nfunc encodings()\n\nfunc main() { encodings() }\n",
		"neon_arm64.h": string(header),
		"all_arm64.s":  "#include \"neon_arm64.h\"\n\nTEXT ·encodings(SB), 4, $0-0\n" + strings.Join(calls, "") + "\tRET\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	build := exec.Command("go", "build", "-o", "program", ".")
	build.Dir = dir
	build.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	out, err = exec.Command(disassembler, "-d", "--disassemble=main.encodings.abi0", filepath.Join(dir, "program")).Output()
	require.NoError(t, err)
	var got []string
	for line := range strings.Lines(string(out)) {
		if f := strings.SplitN(strings.TrimSpace(line), "\t", 3); len(f) == 3 {
			got = append(got, f[2])
		}
	}
	require.GreaterOrEqual(t, len(got), len(want))
	for i := range want {
		require.Equal(t, spaced(want[i]), spaced(got[i]), calls[i])
	}
}

// operand is what a macro's i-th parameter is in one of four rounds. Registers differ
// from each other and reach 0 and 31; indices are all that 32-bit lanes have.
func operand(name, text string, i, round int) int {
	switch {
	case name == "off":
		return []int{0, 16, 480, 1008}[round]
	case name == "s":
		return 1 + 2*round
	case name == "i" && strings.Contains(text, ".b}"):
		return []int{0, 3, 6, 15}[round]
	case name == "i" && strings.Contains(text, ".d["):
		return round % 2
	case name == "i":
		return round
	case name == "x":
		return []int{0, 5, 19, 26}[round]
	}
	return (31*(round%2) + 7*i + 5*(round/2)) % 32
}

// spaced is an instruction without its comment and with spaces in one fashion.
func spaced(instruction string) string {
	instruction, _, _ = strings.Cut(instruction, "//")
	text := strings.NewReplacer(", #0]", "]", ", ", ",", "{ ", "{", " }", "}").Replace(strings.ReplaceAll(instruction, "\t", " "))
	return strings.TrimSpace(text)
}
