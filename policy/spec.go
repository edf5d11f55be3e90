package policy

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"expertfs"
)

// Default is the policy of a mount that was not told another one.
const Default = "forecast"

// maker builds a policy. It reads its parameters from p; parameters nobody
// read are reported as unknown by New.
type maker func(s expertfs.Shape, seed uint64, p *params) Policy

// makers lists every policy by its name.
var makers = map[string]maker{
	"arc":       func(s expertfs.Shape, _ uint64, _ *params) Policy { return newARC(s) },
	"ewma":      func(s expertfs.Shape, _ uint64, p *params) Policy { return newEWMA(s, p) },
	"fifo":      func(expertfs.Shape, uint64, *params) Policy { return newFIFO() },
	"forecast":  func(s expertfs.Shape, _ uint64, p *params) Policy { return newForecast(s, p) },
	"lfu":       func(s expertfs.Shape, _ uint64, p *params) Policy { return newLFU(s, p) },
	"lru":       func(expertfs.Shape, uint64, *params) Policy { return newLRU() },
	"lru-layer": func(s expertfs.Shape, _ uint64, _ *params) Policy { return newLRULayer(s) },
	"markov":    func(s expertfs.Shape, _ uint64, p *params) Policy { return newMarkov(s, p) },
	"pin":       func(s expertfs.Shape, _ uint64, _ *params) Policy { return newPin(s) },
	"random":    func(_ expertfs.Shape, seed uint64, _ *params) Policy { return newRandom(seed) },
	"s3fifo":    func(s expertfs.Shape, _ uint64, p *params) Policy { return newS3FIFO(s, p) },
	"ttl":       func(s expertfs.Shape, _ uint64, p *params) Policy { return newTTL(s, p) },
	"watermark": func(s expertfs.Shape, _ uint64, p *params) Policy { return newWatermark(s, p) },
}

// Names lists the policies in alphabetical order.
func Names() []string { return slices.Sorted(maps.Keys(makers)) }

// Resolve puts the name of the Default policy in place of the name "default".
func Resolve(spec string) string {
	const alias = "default"
	if name, _, _ := strings.Cut(spec, ":"); name == alias {
		return Default + spec[len(alias):]
	}
	return spec
}

// New makes the policy that spec describes, "name" or "name:key=value,...". The
// name "default" stands for Default.
// The seed drives the policies that draw random numbers.
func New(spec string, s expertfs.Shape, seed uint64) (Policy, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	s.TopK = min(max(s.TopK, 1), s.Experts)
	name, rest, _ := strings.Cut(Resolve(strings.TrimSpace(spec)), ":")
	mk, ok := makers[name]
	if !ok {
		return nil, fmt.Errorf("no policy is called %q; there are %s", name, strings.Join(Names(), ", "))
	}
	p, err := parseParams(rest)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	made := mk(s, seed, p)
	if err := p.finish(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return made, nil
}

// params holds the parameters of a spec while a maker reads them.
type params struct {
	given map[string]string
	known []string
	err   error
}

func parseParams(text string) (*params, error) {
	p := &params{given: map[string]string{}}
	if text == "" {
		return p, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		key, value, ok := strings.Cut(part, "=")
		key = strings.TrimSpace(key)
		if !ok || key == "" {
			return nil, fmt.Errorf("parameter %q is not of the form key=value", part)
		}
		if _, twice := p.given[key]; twice {
			return nil, fmt.Errorf("parameter %s is given twice", key)
		}
		p.given[key] = strings.TrimSpace(value)
	}
	return p, nil
}

// float reads a parameter between lo and hi, def when it was not given.
func (p *params) float(key string, def, lo, hi float64) float64 {
	p.known = append(p.known, fmt.Sprintf("%s=%v (%v to %v)", key, def, lo, hi))
	text, ok := p.given[key]
	if !ok {
		return def
	}
	delete(p.given, key)
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !(v >= lo && v <= hi) { // written so that NaN fails
		p.fail("%s=%s must be a number from %v to %v", key, text, lo, hi)
		return def
	}
	return v
}

func (p *params) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
}

// finish reports the first bad value, else a parameter nobody asked for.
func (p *params) finish() error {
	if p.err != nil {
		return p.err
	}
	unknown := slices.Sorted(maps.Keys(p.given))
	switch {
	case len(unknown) == 0:
		return nil
	case len(p.known) == 0:
		return fmt.Errorf("it has no parameters, %s is unknown", unknown[0])
	}
	return fmt.Errorf("parameter %s is unknown; there are %s", unknown[0], strings.Join(p.known, ", "))
}
