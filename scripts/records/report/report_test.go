package report

import (
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const root = "../../.."

var update = flag.Bool("update", false, "write the golden picture anew")

// TestTheTreeIsWhatTheDataGive: tables and pictures are drawn from the data that are
// beside them.
func TestTheTreeIsWhatTheDataGive(t *testing.T) {
	changed, err := Update(root, true)
	require.NoError(t, err)
	assert.Empty(t, changed, "not what the data give: make records-draw")
}

// TestFilesAreAsTheyAreWritten: whoever edits one by hand keeps its form.
func TestFilesAreAsTheyAreWritten(t *testing.T) {
	paths, err := filepath.Glob(root + "/docs/benchmarks/*/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		r, err := Read(path)
		require.NoError(t, err)
		again, err := r.Write(t.TempDir())
		require.NoError(t, err)
		have, err := os.ReadFile(path)
		require.NoError(t, err)
		want, err := os.ReadFile(again)
		require.NoError(t, err)
		assert.Equal(t, string(want), string(have), path)
	}
}

// TestDataNameNoPlaceOfAMachine: commands are as others would give them.
func TestDataNameNoPlaceOfAMachine(t *testing.T) {
	records, err := ReadAll(root + "/docs/benchmarks")
	require.NoError(t, err)
	require.NotEmpty(t, records)
	for _, r := range records {
		commands := []string{r.Command}
		for _, m := range r.Results {
			commands = append(commands, m.Command)
		}
		for _, command := range commands {
			for _, word := range strings.FieldsFunc(command, func(c rune) bool { return c == ' ' || c == '=' }) {
				assert.False(t, filepath.IsAbs(word), "%s: %s", r.Part, command)
			}
		}
	}
}

// sample is half a model that was measured with two engines.
func sample() *Record {
	r := &Record{
		Part: "room", Commit: "abcdef123", Date: "2026-11-29T08:00:00Z", Command: "make records PARTS=room:12",
		Machine: Machine{CPU: "a CPU", Name: "Zen 9", CPUs: 2, Instructions: "avx2", Memory: 24 << 30, Kernel: "Linux 7.0"},
		Model:   &Model{Name: "gpt-oss-20b", Layers: 12, OfLayers: 24, Experts: 5e9, TokenBytes: 1_250_000_000},
		Peer:    "llama.cpp 123", Load: Load{Average: 0.5, Others: 0.02}, Notes: []string{"A note"},
	}
	add := func(name, arm, quantity, unit string, runs ...float64) {
		for _, x := range runs {
			r.Add(Measure{Case: name, Arm: arm, Quantity: quantity, Unit: unit}, x)
		}
	}
	add("100%", Ours, Speed, "tok/s", 20.1, 19.9, 20)
	add("100%", Peer, Speed, "tok/s", 10, 10, 10)
	add("25%", Ours, Speed, "tok/s", 7.5, 8.5, 8, 9)
	add("25%", Peer, Speed, "tok/s", 1)
	add("25%", Ours, Hits, "%", 81.25)
	return r
}

// busy is the same on a machine that others used.
func busy() *Record {
	r := sample()
	r.Load = Load{Average: 7.25, Others: 0.6, Busy: true}
	return r
}

func TestTable(t *testing.T) {
	assert.Equal(t, "**Zen 9** (a CPU, 2 CPUs, 24 GiB, Linux 7.0); gpt-oss-20b, 12 of 24 layers; llama.cpp 123; 2026-11-29, commit abcdef123. `make records PARTS=room:12`. A note\n"+`
| room for experts | gptoss on the mount, tok/s | llama.cpp, tok/s | ratio | target | hit rate |
| --- | --- | --- | --- | --- | --- |
| 100% | 19.9 **20.0** 20.1 | 10.0 **10.0** 10.0 | 2.00x |  |  |
| 25% | **8.25** (7.50 to 9.00) | 1.00 | 8.25x | 5x | 81.2% |
`, Table(sample()))
	assert.Contains(t, Table(busy()), "**on a busy machine** (others used 60% of the processors, load 7.2)")
}

// TestDecodeTable: speed times the bytes of a token, beside memory in the same record.
func TestDecodeTable(t *testing.T) {
	r := sample()
	r.Part, r.Results = "decode", nil
	r.Add(Measure{Case: Best, Arm: Ours, Quantity: Speed, Unit: "tok/s"}, 16)
	r.Add(Measure{Case: Best, Arm: Memory, Quantity: FromMemory, Unit: "GB/s"}, 25)
	assert.Contains(t, Table(r), "| decode, all in RAM | gptoss, tok/s | weights read, GB/s | of the memory's | target |")
	assert.Contains(t, Table(r), "| best instructions | 16.0 | 20.0 | 0.80 | 0.80 |")
}

func TestHeadline(t *testing.T) {
	r := sample()
	r.Part, r.Results = "120b", nil
	r.Model.Layers, r.Model.OfLayers = 12, 36
	r.Add(Measure{Case: "random routers", Arm: Ours, Quantity: Speed, Unit: "tok/s"}, 9)
	r.Add(Measure{Case: "random routers", Arm: Ours, Quantity: Hits, Unit: "%"}, 62.5)
	want := "**gpt-oss-120b on a machine with 24 GiB** (Zen 9, 2 CPUs): **3.00 tok/s** with random routers (62.5% of uses from RAM)." +
		" Measured with 12 of its 36 layers and the same share of RAM, and scaled to all."
	assert.Equal(t, want+"\n", headline([]*Record{r}))
	r.Load.Busy = true
	assert.Equal(t, want+" Others were at work on the machine.\n", headline([]*Record{r}))
}

// TestPicture compares with a picture that somebody has looked at.
func TestPicture(t *testing.T) {
	memory := sample()
	memory.Part, memory.Results = "memory", nil
	memory.Add(Measure{Case: "2", Arm: Memory, Quantity: FromMemory, Unit: "GB/s"}, 30)
	picture := DecodePicture(sample(), []*Record{memory})
	golden := "testdata/decode.svg"
	if *update {
		require.NoError(t, os.WriteFile(golden, picture, 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	assert.Equal(t, string(want), string(picture))

	dec := xml.NewDecoder(strings.NewReader(string(picture)))
	for err == nil {
		_, err = dec.Token()
	}
	require.True(t, errors.Is(err, io.EOF), "it is XML: %v", err)
	for _, text := range []string{
		"prefers-color-scheme: dark", "measured with 12 of 24 layers, scaled to all",
		"12.0: memory's speed", // 30 GB/s by 1.25 GB of half a token
		"10.0: gptoss", "5.00: llama.cpp", ">4.12<", ">0.500<",
	} {
		assert.Contains(t, string(picture), text)
	}
	assert.Contains(t, string(DecodePicture(busy(), nil)), "on a busy machine")
	assert.Nil(t, DecodePicture(memory, nil))
}

func TestFill(t *testing.T) {
	text := "before\n<!-- records: room -->\nold\n<!-- records end -->\nafter\n<!-- records: kernels -->\n<!-- records end -->\n"
	got, err := fill([]byte(text), "docs", []*Record{sample()})
	require.NoError(t, err)
	assert.Equal(t, "before\n<!-- records: room -->\n"+Table(sample())+"<!-- records end -->\nafter\n<!-- records: kernels -->\nNot measured yet.\n<!-- records end -->\n", string(got))
	again, err := fill(got, "docs", []*Record{sample()})
	require.NoError(t, err)
	assert.Equal(t, string(got), string(again))

	_, err = fill([]byte("<!-- records: room -->\n"), "docs", nil)
	require.ErrorContains(t, err, "not closed")
	_, err = fill([]byte("<!-- records: rooms -->\n<!-- records end -->"), "docs", nil)
	require.ErrorContains(t, err, "no part is called rooms")
}

func TestValidate(t *testing.T) {
	require.NoError(t, sample().Validate())
	for name, spoil := range map[string]func(*Record){
		"part":         func(r *Record) { r.Part = "rooms" },
		"memory_bytes": func(r *Record) { r.Machine.Memory = 0 },
		"commit":       func(r *Record) { r.Commit = "" },
		"date":         func(r *Record) { r.Date = "yesterday" },
		"layers":       func(r *Record) { r.Model.OfLayers = 3 },
		"no results":   func(r *Record) { r.Results = nil },
		"median":       func(r *Record) { r.Results[0].Median++ },
		"unit":         func(r *Record) { r.Results[0].Unit = "tokens" },
		"no runs":      func(r *Record) { r.Results[0].Runs = nil },
		"negative":     func(r *Record) { r.Results[0].Runs[0] = -1 },
		"twice":        func(r *Record) { r.Results[1].Arm = Ours },
	} {
		r := sample()
		spoil(r)
		assert.ErrorContains(t, r.Validate(), name)
	}
}

func TestRead(t *testing.T) {
	path, err := sample().Write(t.TempDir())
	require.NoError(t, err)
	assert.Equal(t, "zen-9", filepath.Base(filepath.Dir(path)))
	r, err := Read(path)
	require.NoError(t, err)
	assert.Equal(t, sample(), r)

	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte(strings.Replace(string(text), `"date"`, `"day"`, 1)), 0o644))
	_, err = Read(path)
	require.ErrorContains(t, err, `unknown field "day"`)
	elsewhere := filepath.Join(t.TempDir(), "other.json")
	require.NoError(t, os.WriteFile(elsewhere, text, 0o644))
	_, err = Read(elsewhere)
	require.ErrorContains(t, err, "its place is zen-9/room.json")
}

func TestMedian(t *testing.T) {
	assert.Equal(t, 2.0, Median([]float64{3, 1, 2}))
	assert.Equal(t, 2.5, Median([]float64{4, 1, 3, 2}))
	assert.Equal(t, 0.12346, Median([]float64{0.123456}))
}
