package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"expertfs/infer"
	"expertfs/infer/sample"
)

// marginRun is a text computed with one margin of --prefer-resident, token by token.
type marginRun struct {
	margin  float64
	nats    float64 // of the tokens that had one before them
	next    []int   // the most probable token after each
	took    time.Duration
	stats   infer.Stats
	drive   driveStats
	choices float64 // experts used, of all tokens
}

// compareMargins prints a table of what margins cost and save. The first row is that
// without one.
func compareMargins(ctx context.Context, model *modelFlags, margins []float64, ids []int, out io.Writer) error {
	for _, m := range margins {
		if !(m >= 0 && m <= infer.MaxPreferResident) { // it may not be a number
			return usageErrorf("--margins %v: want 0 to %d logits", m, infer.MaxPreferResident)
		}
	}
	if len(ids) < 2 {
		return usageErrorf("--margins needs a text of two tokens or more")
	}
	model.options.Batch, model.quiet = 1, true
	bytes, err := textBytes(model.dir, ids)
	if err != nil {
		return err
	}
	fmt.Fprint(out, "| margin | bits/byte | | same argmax | substituted | hit rate | MB/token | waiting/token | tokens/s |\n"+
		"| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n")
	var exact *marginRun
	for _, m := range append([]float64{0}, margins...) {
		if m == 0 && exact != nil {
			continue
		}
		model.options.PreferResident = m
		r, err := runMargin(ctx, model, ids)
		if err != nil {
			if ctx.Err() != nil {
				return errInterrupted
			}
			return err
		}
		if exact == nil {
			exact = r
		}
		if _, err := fmt.Fprintln(out, r.row(exact, bytes)); err != nil {
			return err
		}
	}
	return nil
}

// textBytes is the length of the text of all tokens that have one before them.
func textBytes(dir string, ids []int) (int, error) {
	tokens, err := loadTokenizer(dir)
	if err != nil {
		return 0, err
	}
	return len(tokens.Decode(ids[1:])), nil
}

// runMargin opens the model and computes the text twice: what is in RAM, and what
// the mount has learned, is that of the text then.
func runMargin(ctx context.Context, model *modelFlags, ids []int) (r *marginRun, err error) {
	e, err := model.open()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	for range 2 {
		r = &marginRun{margin: model.options.PreferResident}
		drive, err := readDriveStats(model.dir)
		if err != nil {
			return nil, err
		}
		before, began := e.Stats(), time.Now()
		if err := r.run(ctx, e, ids); err != nil {
			return nil, err
		}
		r.took, r.stats = time.Since(began), e.Stats().Sub(before)
		after, err := readDriveStats(model.dir)
		if err != nil {
			return nil, err
		}
		r.drive = after.sub(drive)
	}
	c := e.Config()
	r.choices = float64(len(ids) * c.Layers * c.TopK)
	return r, nil
}

// run computes the text in pieces as long as the context, the last token of each
// being the first of the next.
func (r *marginRun) run(ctx context.Context, e *infer.Engine, ids []int) error {
	for from := 0; from < len(ids)-1; from += e.Context() - 1 {
		piece := ids[from:min(from+e.Context(), len(ids))]
		var unusable error
		err := e.NewSession().Append(ctx, piece[:len(piece)-1], func(p int, logits []float32) {
			best, norm, err := sample.LogNorm(logits)
			if err != nil {
				unusable = cmp.Or(unusable, fmt.Errorf("position %d: %w", from+p, err))
				return
			}
			r.nats += norm - float64(logits[piece[p+1]])
			r.next = append(r.next, best)
		})
		if err = cmp.Or(err, unusable); err != nil {
			return err
		}
	}
	return nil
}

// row is a line of the table. Exact is the run without a margin.
func (r *marginRun) row(exact *marginRun, bytes int) string {
	same := 0
	for i, id := range r.next {
		if id == exact.next[i] {
			same++
		}
	}
	tokens := float64(r.stats.Tokens)
	hits := "-"
	if rate, ok := r.drive.hitRate(); ok {
		hits = fmt.Sprintf("%.1f%%", 100*rate)
	}
	return fmt.Sprintf("| %v | %.4f | %+.2f%% | %.1f%% | %.1f%% | %s | %.3f | %.2f ms | %.1f |",
		r.margin, r.nats/math.Ln2/float64(bytes), 100*(r.nats/exact.nats-1), 100*float64(same)/float64(len(r.next)),
		100*float64(r.stats.Substituted)/r.choices, hits, float64(r.drive.bytesRead)/tokens/1e6,
		float64(r.stats.Waited)/float64(time.Millisecond)/tokens, tokens/r.took.Seconds())
}
