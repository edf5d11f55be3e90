package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"expertfs"
	"expertfs/infer"
	"expertfs/infer/prefix"
	"expertfs/infer/sample"

	"github.com/spf13/cobra"
)

// scoreOptions are the flags of score beside those of the model.
type scoreOptions struct {
	ids, logits, experts string // files; "" for those that are not wanted
	from                 int    // the first position that is printed
	margins              []float64
}

func newScoreCommand() *cobra.Command {
	var o scoreOptions
	cmd := &cobra.Command{
		Use:   "score [--model DIR] --ids FILE",
		Short: "Print how probable the model finds each token of a text",
		Long: `Score runs the model over a text given as token ids and prints one JSON object
per position: the token, its log-probability given the ones before it (null for
the first), and what the model would have put after it. With --from it begins at a
later position, and computes of those before only what is not stored already; then
the text is stored too.

With --prefer-resident the tokens are computed one at a time, as they would be
generated. With --margins it prints a table instead: what each of these values of
--prefer-resident costs, and what it saves.`,
		Args: noArgs,
	}
	model := addModelFlags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&o.ids, "ids", "", "file of token ids separated by blanks, commas or newlines, or a JSON array of them; - is standard input (required)")
	flags.StringVar(&o.logits, "logits", "", "write all logits to this .npy file, float32 [positions, vocabulary]")
	flags.StringVar(&o.experts, "experts", "", "write the chosen experts to this CSV file: position,layer,e0,e1,..., best first")
	flags.IntVar(&o.from, "from", 0, "first position to print; positions begin at 0")
	flags.Float64SliceVar(&o.margins, "margins", nil, "values of --prefer-resident to compare with 0 on texts of --ctx-size tokens, each run twice and measured the second time")
	for _, other := range []string{"prefer-resident", "batch-size", "from", "logits", "experts"} {
		cmd.MarkFlagsMutuallyExclusive("margins", other)
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return o.run(cmd, model) }
	return cmd
}

// run checks the flags and reads the ids before the model is loaded.
func (o *scoreOptions) run(cmd *cobra.Command, model *modelFlags) error {
	if o.ids == "" {
		return usageErrorf("no text given: use --ids FILE")
	}
	ids, err := readIDs(o.ids, cmd.InOrStdin())
	if err != nil {
		return err
	}
	if o.from < 0 || o.from > 0 && o.from >= len(ids) {
		return usageErrorf("--from %d: the text has positions 0 to %d", o.from, len(ids)-1)
	}
	if err := model.prepare(); err != nil {
		return err
	}
	if err := model.checkIDs(ids); err != nil {
		return err
	}
	warnOfIdle(cmd, scoreNeeds(o.from, model.options.PreferResident > 0, o.margins != nil))
	if o.margins != nil {
		ctx, stop := interruptible(cmd.Context())
		defer stop()
		return explainLoss(model.dir, compareMargins(ctx, model, o.margins, ids, cmd.OutOrStdout()))
	}
	if err := model.fits(len(ids)); err != nil {
		return err
	}
	if model.options.PreferResident > 0 {
		model.options.Batch = 1
	}
	return o.score(cmd, model, ids)
}

// score loads the model and prints a line for each position.
func (o *scoreOptions) score(cmd *cobra.Command, model *modelFlags, ids []int) (err error) {
	e, err := model.open()
	if err != nil {
		return err
	}
	var store *prefix.Store
	defer func() { err = errors.Join(err, closePrefixes(store), e.Close()) }()
	if o.from > 0 { // else nothing that is known is of use, and much would be stored
		if store, err = model.prefix.open(e, baseName(model.dir), -1, quietLog(cmd)); err != nil {
			return err
		}
	}
	s := &scorer{ids: ids, from: o.from, out: bufio.NewWriter(cmd.OutOrStdout())}
	if err := s.create(o, e); err != nil {
		return errors.Join(err, s.close())
	}
	ctx, stop := interruptible(cmd.Context())
	defer stop()
	return errors.Join(explainLoss(model.dir, s.run(ctx, prefix.NewText(store, e.NewSession()))), s.close())
}

// scorer writes what is known of each position as the model gets there.
type scorer struct {
	ids     []int
	from    int // first position that is written
	out     *bufio.Writer
	logits  *npyWriter    // nil: not wanted
	experts *bufio.Writer // nil: not wanted
	files   []io.Closer

	routed  map[int][]byte // lines of a trace by position, until it is written
	before  float64        // log-probability that the last position gave to this token
	started bool
	err     error  // the first one of a position: of its logits, or of writing
	abandon func() // ends the computation, which is of no use after err
}

// run computes all positions that text does not have already.
func (s *scorer) run(ctx context.Context, text *prefix.Text) error {
	computing, abandon := context.WithCancel(ctx)
	defer abandon()
	s.abandon = abandon
	// The position before the first one tells how probable that is.
	before := max(0, s.from-1)
	err := text.Session().Append(computing, s.ids[text.Begin(computing, s.ids, before):before], nil)
	if err == nil {
		err = text.Session().Append(computing, s.ids[before:], s.position)
	}
	text.Keep()
	switch {
	case s.err != nil:
		return s.err
	case err != nil && ctx.Err() != nil:
		return errInterrupted
	}
	return err
}

// create makes the output files that were asked for.
func (s *scorer) create(o *scoreOptions, e *infer.Engine) error {
	if o.logits != "" {
		f, err := os.Create(o.logits)
		if err != nil {
			return fmt.Errorf("--logits: %w", err)
		}
		s.files = append(s.files, f)
		if s.logits, err = newNpyWriter(f, len(s.ids)-s.from, e.Config().Vocab); err != nil {
			return err
		}
	}
	if o.experts != "" {
		f, err := os.Create(o.experts)
		if err != nil {
			return fmt.Errorf("--experts: %w", err)
		}
		s.files = append(s.files, f)
		s.experts = bufio.NewWriter(f)
		s.routed = make(map[int][]byte)
		e.SetHooks(infer.Hooks{OnRoute: s.route})
	}
	return nil
}

// route keeps a layer's choice; layers of one position do not come in a row
// when tokens are computed in batches.
func (s *scorer) route(_ *infer.Session, layer, position int, experts []int) {
	step := expertfs.TraceStep{Token: int64(position), Layer: layer}
	for _, x := range experts {
		step.Used = append(step.Used, expertfs.NewKey(layer, x))
	}
	s.routed[position] = step.AppendLine(s.routed[position])
}

// positionScore is a line of the output.
type positionScore struct {
	Position int      `json:"position"`
	ID       int      `json:"id"`
	LogProb  *float64 `json:"logprob"` // null for the first token
	Next     int      `json:"argmax"`  // the most probable next token
	NextProb float64  `json:"argmax_logprob"`
}

// position writes one position's results.
func (s *scorer) position(p int, logits []float32) {
	if s.err != nil {
		return
	}
	line, err := s.line(p, logits)
	switch {
	case err != nil:
		s.err = fmt.Errorf("position %d: %w", p, err)
	case p < s.from:
		delete(s.routed, p)
	default:
		s.err = s.write(line, logits)
	}
	if s.err != nil {
		s.abandon()
	}
}

// line makes the line of a position, and keeps the probability of the token after it.
func (s *scorer) line(p int, logits []float32) (positionScore, error) {
	best, norm, err := sample.LogNorm(logits)
	if err != nil {
		return positionScore{}, err
	}
	line := positionScore{Position: p, ID: s.ids[p], Next: best, NextProb: float64(logits[best]) - norm}
	if s.started {
		before := s.before
		line.LogProb = &before
	}
	s.started = true
	if p+1 < len(s.ids) {
		next := s.ids[p+1]
		if s.before = float64(logits[next]) - norm; math.IsInf(s.before, -1) {
			return line, fmt.Errorf("%w: that of token %d is %v", sample.ErrLogits, next, logits[next])
		}
	}
	return line, nil
}

func (s *scorer) write(line positionScore, logits []float32) error {
	if err := json.NewEncoder(s.out).Encode(line); err != nil {
		return fmt.Errorf("position %d: %w", line.Position, err)
	}
	if s.logits != nil {
		if err := s.logits.row(logits); err != nil {
			return err
		}
	}
	if s.experts != nil {
		if _, err := s.experts.Write(s.routed[line.Position]); err != nil {
			return err
		}
	}
	delete(s.routed, line.Position)
	return nil
}

// close writes what is buffered and closes the files.
func (s *scorer) close() error {
	var all []error
	if err := s.flush(); s.err == nil { // else it is that error again
		all = append(all, err)
	}
	for _, f := range s.files {
		all = append(all, f.Close())
	}
	return errors.Join(all...)
}

func (s *scorer) flush() error {
	all := []error{s.out.Flush()}
	if s.logits != nil {
		all = append(all, s.logits.flush())
	}
	if s.experts != nil {
		all = append(all, s.experts.Flush())
	}
	return errors.Join(all...)
}
