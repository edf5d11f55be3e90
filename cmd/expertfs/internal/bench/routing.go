package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"expertfs"
)

// Routing is the cost of recorded routing on a mount.
type Routing struct {
	Mountpoint string  `json:"mountpoint"`
	Policy     string  `json:"policy"`
	Budget     int64   `json:"budget"`       // bytes
	Start      int     `json:"start"`        // experts in RAM when it began
	Tokens     int     `json:"tokens"`       // replayed
	Layers     int     `json:"layers"`       // of the trace that the model has
	Uses       int     `json:"uses"`         // of experts
	HitRate    float64 `json:"hit_rate"`     // 0 to 1
	PerToken   float64 `json:"ms_per_token"` // mean
	Median     float64 `json:"median_ms_per_token"`
	Read       float64 `json:"mb_per_token"` // from the drive, in 10^6 bytes
}

// Replay uses experts as a trace says, on the mount at point: each is opened,
// mapped, read whole and closed, after a step hint for its layer. It ends after
// the given number of tokens, 0 for all. Layers that the model does not have
// are left out.
func Replay(ctx context.Context, point, path string, tokens int) (out *Routing, err error) {
	m, err := openMount(point)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.close()) }()
	steps, meta, err := expertfs.LoadTraces(path)
	if err != nil {
		return nil, err
	}
	hints, err := os.OpenFile(m.control(expertfs.HintsFile), os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, hints.Close()) }()
	x, err := newReader(m.size)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, x.close()) }()
	before, err := m.report()
	if err != nil {
		return nil, err
	}
	times, uses, err := m.replay(ctx, steps, tokens, hints, x)
	if err == nil && uses == 0 {
		err = fmt.Errorf("%s: has no step of a layer of this model", path)
	}
	if err != nil {
		return nil, err
	}
	after, err := m.report()
	if err != nil {
		return nil, err
	}
	whole := Measure{Times: times}
	whole.finish(0)
	var total time.Duration
	for _, t := range times {
		total += t
	}
	n := float64(len(times))
	return &Routing{
		Mountpoint: before.Mountpoint, Policy: after.Cache.Policy, Budget: after.Cache.Budget, Start: before.Cache.Resident,
		Tokens: len(times), Layers: min(m.layers, meta.Layers), Uses: uses,
		HitRate:  after.Cache.Uses.Sub(before.Cache.Uses).HitRate(),
		PerToken: total.Seconds() * 1e3 / n, Median: whole.Median.Seconds() * 1e3,
		Read: float64(after.Cache.BytesRead-before.Cache.BytesRead) / 1e6 / n,
	}, nil
}

// replay uses the experts of the steps, in their order, and times each token. Steps
// of several streams come from one reader here.
func (m *Mount) replay(ctx context.Context, steps []expertfs.TraceStep, tokens int, hints io.Writer, x *reader) (times []time.Duration, uses int, err error) {
	index := map[int64]int{} // into times, by token
	for _, s := range steps {
		if err := ctx.Err(); err != nil {
			return nil, 0, err
		}
		if s.End {
			continue
		}
		at, begun := index[s.Token]
		if !begun {
			if tokens > 0 && len(times) == tokens {
				break
			}
			at = len(times)
			index[s.Token], times = at, append(times, 0)
		}
		if s.Layer >= m.layers {
			continue
		}
		began := time.Now()
		if err := m.use(s, hints, x); err != nil {
			return nil, 0, err
		}
		times[at] += time.Since(began)
		uses += len(s.Used)
	}
	return times, uses, nil
}

// use announces a step and reads its experts.
func (m *Mount) use(s expertfs.TraceStep, hints io.Writer, x *reader) error {
	line := m.names().AppendHint(nil, expertfs.Step, s.Used...)
	if _, err := hints.Write(line); err != nil {
		return fmt.Errorf("hint %q: %w", line, err)
	}
	for _, k := range s.Used {
		if _, err := x.readMapped(m, s.Layer*m.experts+int(k.Expert)); err != nil {
			return err
		}
	}
	return nil
}

// Write prints the figures for people.
func (r *Routing) Write(out io.Writer) error {
	_, err := fmt.Fprintf(out, `%s: policy %s, budget %.1f MB, %d experts in RAM at the start
%d tokens of %d layers, %d uses of experts: each opened, mapped, read whole, closed
ms/token %.2f (median %.2f)   MB/token %.1f   hit rate %.1f%%
`, filepath.Clean(r.Mountpoint), r.Policy, float64(r.Budget)/1e6, r.Start, r.Tokens, r.Layers, r.Uses, r.PerToken, r.Median, r.Read, 100*r.HitRate)
	return err
}
