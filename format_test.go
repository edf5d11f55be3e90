package expertfs_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"expertfs"
	"expertfs/checkpoint/mxfp4"
	"expertfs/checkpoint/safetensors"

	"github.com/stretchr/testify/require"
)

// documented returns the code of a language in docs/format.md.
func documented(t *testing.T, language string) string {
	t.Helper()
	text, err := os.ReadFile("docs/format.md")
	require.NoError(t, err)
	_, code, found := strings.Cut(string(text), "```"+language+"\n")
	require.True(t, found)
	code, _, found = strings.Cut(code, "```")
	require.True(t, found)
	return code
}

// anExpert is the file of an expert of a mount, of a copy where there can be none,
// and all of its numbers: two matrices and two biases.
func anExpert(t *testing.T) (path string, want []float32) {
	t.Helper()
	var dir string
	if cannotMount() == nil {
		dir = mountTiny()
	} else {
		dir = tree(t)
	}
	m, err := expertfs.Open(dir)
	require.NoError(t, err)
	defer func() { require.NoError(t, m.Close()) }()
	k := expertfs.NewKey(1, 30)
	e, err := m.OpenExpert(k)
	require.NoError(t, err)
	defer func() { require.NoError(t, e.Close()) }()
	size, err := e.Size()
	require.NoError(t, err)
	header, err := safetensors.ReadHeader(e, size)
	require.NoError(t, err)
	read := func(name string) []byte {
		tensor, ok := header.Tensor(name)
		require.True(t, ok)
		data := make([]byte, tensor.Length)
		_, err := e.ReadAt(data, tensor.Offset)
		require.NoError(t, err)
		return data
	}
	for _, name := range []string{"mlp1_weight", "mlp2_weight"} {
		blocks, scales := read(name+".blocks"), read(name+".scales")
		matrix := make([]float32, 2*len(blocks))
		mxfp4.Decode(matrix, blocks, scales)
		want = append(want, matrix...)
	}
	for _, name := range []string{"mlp1_bias", "mlp2_bias"} {
		data := read(name)
		bias := make([]byte, 2*len(data))
		for i := range len(data) / 2 {
			copy(bias[4*i+2:], data[2*i:2*i+2])
		}
		floats := make([]float32, len(data)/2)
		require.NoError(t, binary.Read(bytes.NewReader(bias), binary.LittleEndian, floats))
		want = append(want, floats...)
	}
	return m.Path(m.Names().ExpertPath(k)), want
}

// sameNumbers compares what a program has printed, 32-bit floats, bit for bit.
func sameNumbers(t *testing.T, want []float32, cmd *exec.Cmd) {
	t.Helper()
	var errors bytes.Buffer
	cmd.Stderr = &errors
	got, err := cmd.Output()
	require.NoError(t, err, errors.String())
	var bits bytes.Buffer
	require.NoError(t, binary.Write(&bits, binary.LittleEndian, want))
	require.Len(t, got, bits.Len())
	require.True(t, bytes.Equal(bits.Bytes(), got), "%s has decoded other numbers", cmd.Path)
}

func TestDocumentedPython(t *testing.T) {
	python := ""
	for _, name := range []string{"python3", "/usr/bin/python3"} { // the first one found may be without
		if exec.Command(name, "-c", "import numpy").Run() == nil {
			python = name
			break
		}
	}
	if python == "" {
		t.Skip("no python3 with numpy here: apt-get install python3-numpy")
	}
	path, want := anExpert(t)
	const rest = `
b2 = (t["mlp2_bias"].astype(np.uint32) @ np.uint32([1 << 16, 1 << 24])).view(np.float32)
assert (gate == w1[::2]).all() and (up == w1[1::2]).all()
for x in w1, w2, b1, b2: sys.stdout.buffer.write(x.astype("<f4").tobytes())
`
	cmd := exec.Command(python, "-", path)
	cmd.Stdin = strings.NewReader(documented(t, "python") + rest)
	sameNumbers(t, want, cmd)
}

func TestDocumentedC(t *testing.T) {
	compiler, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("no C compiler here: apt-get install gcc libc6-dev: ", err)
	}
	path, want := anExpert(t)
	const rest = `
int main(int argc, char **argv) {
	static uint8_t file[1 << 20];
	FILE *f = fopen(argv[1], "rb");
	if (argc != 2 || !f || fread(file, 1, sizeof file, f) == 0) return 1;
	const char *blocks[] = {"\"mlp1_weight.blocks\"", "\"mlp2_weight.blocks\""}, *scales[] = {"\"mlp1_weight.scales\"", "\"mlp2_weight.scales\""};
	const char *biases[] = {"\"mlp1_bias\"", "\"mlp2_bias\""};
	size_t weights[] = {192 * 192, 192 * 96}, elements[] = {192, 192};
	for (int m = 0; m < 2; m++)
		for (size_t i = 0; i < weights[m]; i++) {
			float w = weight(tensor(file, blocks[m]), tensor(file, scales[m]), i);
			fwrite(&w, 4, 1, stdout);
		}
	for (int m = 0; m < 2; m++)
		for (size_t i = 0; i < elements[m]; i++) {
			float b = bias(tensor(file, biases[m]), i);
			fwrite(&b, 4, 1, stdout);
		}
	return tensor(file, "\"none\"") != NULL;
}
`
	dir := t.TempDir()
	source, program := filepath.Join(dir, "expert.c"), filepath.Join(dir, "expert")
	require.NoError(t, os.WriteFile(source, []byte(documented(t, "c")+rest), 0o644))
	out, err := exec.Command(compiler, "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1", "-o", program, source, "-lm").CombinedOutput()
	require.NoError(t, err, string(out))
	sameNumbers(t, want, exec.Command(program, path))
}
