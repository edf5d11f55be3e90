package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"text/tabwriter"

	"expertfs"
	"expertfs/checkpoint"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
)

// checkReport is what check finds out. Sizes are in bytes.
type checkReport struct {
	Checkpoint string          `json:"checkpoint"`
	OK         bool            `json:"ok"`
	Problems   []string        `json:"problems"`
	Model      *checkedModel   `json:"model,omitempty"` // absent when it does not open
	Mirrors    []checkedMirror `json:"mirrors,omitempty"`
}

// checkedModel describes a checkpoint that opens.
type checkedModel struct {
	Name         string        `json:"name"`
	ID           string        `json:"id"`
	Layout       string        `json:"layout"`
	Form         string        `json:"form,omitempty"` // the variety of the layout
	Layers       int           `json:"layers"`
	Experts      int           `json:"experts_per_layer"`
	TopK         int           `json:"experts_per_token"`
	Hidden       int           `json:"hidden"`
	Intermediate int           `json:"intermediate"`
	Heads        int           `json:"heads"`
	KVHeads      int           `json:"kv_heads"`
	HeadDim      int           `json:"head_dim"`
	Window       int           `json:"sliding_window"`
	Vocab        int           `json:"vocab"`
	ExpertBytes  int64         `json:"expert_bytes"`
	ExpertsBytes int64         `json:"experts_bytes"`
	DenseBytes   int64         `json:"dense_bytes"`     // layers and unembedding
	Embedding    int64         `json:"embedding_bytes"` // read by rows, takes no RAM
	TokenBytes   int64         `json:"token_bytes"`     // experts that one token uses
	Files        []checkedFile `json:"files"`
	SmallFiles   []string      `json:"small_files"`
}

// checkedFile is one file with weights.
type checkedFile struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
}

// checkOptions are the flags of `expertfs check`.
type checkOptions struct {
	checkpoint.Options
	data, json bool
}

// newCheckCommand makes `expertfs check`.
func newCheckCommand() *cobra.Command {
	var o checkOptions
	cmd := &cobra.Command{
		Use:   "check CHECKPOINT",
		Short: "Tell what a checkpoint holds, and what is missing or wrong",
		Long: `Check reads the headers of a checkpoint and compares them with its config and
with the length of its files: it prints layout, dimensions, sizes, and every
tensor that is missing or wrong. With --data it also reads all MXFP4 scales and
reports the ones that are not numbers. With --mirror it compares each byte with that
of the copy in a folder, as mount --mirror would read it, and reports where they
differ.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			warnOfIdle(cmd, plainHTTPNeeds(args[0]))
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return o.check(ctx, cmd.OutOrStdout(), args[0])
		},
	}
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	cmd.Flags().StringArrayVar(&o.Mirrors, "mirror", nil, "compare with the copy in `DIR`, which may lack files; may be repeated")
	cmd.Flags().BoolVar(&o.data, "data", false, "read all scales as well, a seventeenth of the experts' bytes")
	addPlainHTTP(cmd.Flags(), &o.PlainHTTP)
	return cmd
}

// check prints the report and returns an error when something is wrong.
func (o checkOptions) check(ctx context.Context, out io.Writer, path string) error {
	report := checkReport{Checkpoint: path, Problems: []string{}}
	var differ []error
	ck, err := checkpoint.OpenWith(path, o.Options)
	err = expertfs.ExplainDead(path, err)
	if err == nil {
		defer ck.Close()
		report.Model, report.Mirrors = describeModel(ck), describeMirrors(ck)
		if o.data {
			bar := newByteBar(ck.ScaleBytes(), "reading scales")
			err = ck.CheckScales(ctx, func(n int) { bar.Add(n) })
			bar.Finish()
		}
		differ = compareMirrors(ctx, ck)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	report.add(err)
	for _, d := range differ {
		report.add(d)
		err = d
	}
	if perr := report.print(out, o.json); perr != nil {
		return perr
	}
	switch len(report.Problems) {
	case 0:
		return nil
	case 1:
		return checkpointError(path, err)
	default:
		return checkpointError(path, fmt.Errorf("%s: %d problems", path, len(report.Problems)))
	}
}

// add notes what err says is wrong; nil is nothing.
func (r *checkReport) add(err error) {
	var list *checkpoint.ProblemsError
	switch {
	case errors.As(err, &list):
		for _, p := range list.Problems {
			r.Problems = append(r.Problems, p.Error())
		}
	case err != nil:
		r.Problems = append(r.Problems, err.Error())
	}
	r.OK = len(r.Problems) == 0
}

// describeModel gathers dimensions and sizes.
func describeModel(ck *checkpoint.Checkpoint) *checkedModel {
	c := ck.Config()
	m := &checkedModel{
		Name: ck.Name(), ID: ck.ID(), Layout: ck.Format(), Form: ck.Form(),
		Layers: c.Layers, Experts: c.Experts, TopK: c.TopK,
		Hidden: c.Hidden, Intermediate: c.Intermediate,
		Heads: c.Heads, KVHeads: c.KVHeads, HeadDim: c.HeadDim, Window: c.Window, Vocab: c.Vocab,
		ExpertBytes:  ck.ExpertSize(),
		ExpertsBytes: ck.ExpertSize() * int64(c.Layers*c.Experts),
		TokenBytes:   ck.ExpertSize() * int64(c.Layers*c.TopK),
		DenseBytes:   ck.Unembedding().Size(),
		Embedding:    ck.Embedding().Size(),
		SmallFiles:   []string{},
	}
	for layer := range c.Layers {
		m.DenseBytes += ck.Dense(layer).Size()
	}
	for _, f := range ck.Files() {
		m.Files = append(m.Files, checkedFile{f.Name(), f.Size()})
	}
	for _, f := range ck.Small() {
		m.SmallFiles = append(m.SmallFiles, f.Name())
	}
	return m
}

// print writes the report as text or JSON.
func (r *checkReport) print(out io.Writer, asJSON bool) error {
	if asJSON {
		return printJSON(out, r)
	}
	if r.Model != nil {
		if err := r.Model.print(out); err != nil {
			return err
		}
		if err := printMirrors(out, r.Mirrors); err != nil {
			return err
		}
	}
	if r.OK {
		fmt.Fprintln(out, "no problems found")
		return r.advise(out)
	}
	if len(r.Problems) > 1 { // a single one is the command's error
		shown := r.Problems[:min(len(r.Problems), maxShown)]
		for _, p := range shown {
			fmt.Fprintln(out, p)
		}
		if more := len(r.Problems) - len(shown); more > 0 {
			fmt.Fprintf(out, "... and %d more (--json lists them)\n", more)
		}
	}
	return nil
}

// maxShown is how many problems are printed for people: they mostly have one cause.
const maxShown = 10

// publishedVocab is the size of o200k_harmony, the vocabulary that gptoss has.
const publishedVocab = 201088

// advise tells what it takes to run the model, and how to try it. Below what one
// token uses hits are rare; four times that, or all, is a good beginning.
func (r *checkReport) advise(out io.Writer) error {
	const mebi = 1 << 20
	budget := min(4*r.Model.TokenBytes, r.Model.ExpertsBytes)
	ram := fmt.Sprintf("%dMiB", (budget+mebi-1)/mebi)
	try := "run --model MOUNTPOINT -p 'In the beginning'"
	if r.Model.Vocab != publishedVocab && !slices.Contains(r.Model.SmallFiles, "tokenizer.json") {
		try = "bench --model MOUNTPOINT" // nothing tells what its tokens say
	}
	_, err := fmt.Fprintf(out, `
One token uses %s of experts; a RAM budget from there on helps, the more the better.
Beside it a reader keeps the dense part in memory, %s. To try it:
  expertfs mount --ram %s %s MOUNTPOINT
  gptoss %s
`, humanize.IBytes(uint64(r.Model.TokenBytes)), humanize.IBytes(uint64(r.Model.DenseBytes)), ram, expertfs.ShellQuote(r.Checkpoint), try)
	return err
}

// print writes the model as a table.
func (m *checkedModel) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(label, format string, args ...any) { fmt.Fprintf(w, label+"\t"+format+"\n", args...) }
	row("model", "%s (layout %s, id %s)", m.Name, m.Layout, m.ID)
	if m.Form != "" {
		row("form", "%s", m.Form)
	}
	row("dimensions", "%d layers, hidden %d, intermediate %d, %d query and %d key/value heads of %d, window %d, vocabulary %d",
		m.Layers, m.Hidden, m.Intermediate, m.Heads, m.KVHeads, m.HeadDim, m.Window, m.Vocab)
	row("experts", "%s = %d layers x %d experts x %s", size(m.ExpertsBytes), m.Layers, m.Experts, size(m.ExpertBytes))
	row("one token", "%s = %d layers x %d experts x %s", size(m.TokenBytes), m.Layers, m.TopK, size(m.ExpertBytes))
	row("dense", "%s in layers and unembedding", size(m.DenseBytes))
	row("embedding", "%s, read by rows", size(m.Embedding))
	for _, f := range m.Files {
		row("file", "%s, %s", filepath.Base(f.Name), size(f.Size))
	}
	for _, name := range m.SmallFiles {
		row("beside", "%s", name)
	}
	return w.Flush()
}

// size shows bytes in both ways: exact, and as people say it.
func size(n int64) string {
	return fmt.Sprintf("%s bytes (%s)", humanize.Comma(n), humanize.IBytes(uint64(n)))
}
