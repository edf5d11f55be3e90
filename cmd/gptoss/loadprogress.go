package main

import (
	"fmt"
	"io"
	"time"
)

// loadProgress shows on a terminal how much of a model's dense weights is loaded,
// when that takes long enough to be seen.
type loadProgress struct {
	out     io.Writer
	began   time.Time
	percent int64
	shown   bool
}

// loadPatience is how long nothing is shown.
const loadPatience = 300 * time.Millisecond

// tell is infer.Options.Progress.
func (p *loadProgress) tell(loaded, total int64) {
	percent := 100 * loaded / max(total, 1)
	if percent == p.percent || time.Since(p.began) < loadPatience {
		return
	}
	p.percent, p.shown = percent, true
	fmt.Fprintf(p.out, "\rloading the model: %d%%", percent)
}

// clear gives the line back.
func (p *loadProgress) clear() {
	if p.shown {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}
