package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// patience is how long one program may take; it only guards against hanging.
const patience = 10 * time.Minute

// call is a program to run.
type call struct {
	env   []string // beside our own
	group string   // memory group to run in, "" for none
	args  []string
}

// output runs a program and returns what it prints.
func (c call) output(ctx context.Context) ([]byte, error) {
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	args := c.args
	if c.group != "" {
		args = append([]string{"sh", "-c", `echo $$ >"$0/cgroup.procs" && exec "$@"`, c.group}, args...)
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(os.Environ(), c.env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		text := strings.TrimSpace(complaints.String())
		return nil, fmt.Errorf("%s: %w: %s", strings.Join(c.args, " "), err, text[max(0, len(text)-400):])
	}
	return out, nil
}

// benched is one test of gptoss bench or llama-bench, which share the first key.
type benched struct {
	Commit     string    `json:"build_commit"`
	Samples    []float64 `json:"samples_ts"`
	HitRate    *float64  `json:"hit_rate"`
	DriveBytes float64   `json:"drive_bytes_per_token"`
	ComputeNS  float64   `json:"compute_ns_per_token"`
	WaitNS     float64   `json:"wait_ns_per_token"`

	DriveSpeed *float64 `json:"drive_speed"` // null, as the next two, where it is not known
	BoundNS    *float64 `json:"bound_ns_per_token"`
	OverBound  *float64 `json:"over_bound"`
}

// bench runs a bench that prints JSON and returns its one test.
func (c call) bench(ctx context.Context) (*benched, error) {
	out, err := c.output(ctx)
	if err != nil {
		return nil, err
	}
	var tests []*benched
	if err := json.Unmarshal(out, &tests); err != nil {
		return nil, fmt.Errorf("%s: %w", strings.Join(c.args, " "), err)
	}
	if len(tests) != 1 || len(tests[0].Samples) == 0 {
		return nil, fmt.Errorf("%s: no figure", strings.Join(c.args, " "))
	}
	return tests[0], nil
}

// last is the speed of the last repetition, when an engine has in RAM what it would
// have in steady work.
func (b *benched) last() float64 { return b.Samples[len(b.Samples)-1] }

// batched is a test of several texts, of either engine.
type batched struct {
	Texts int     `json:"pl"`
	Speed float64 `json:"speed_tg"`
}

// batchedBench runs a bench of several texts that prints a JSON object a line, among
// other lines.
func (c call) batchedBench(ctx context.Context) ([]batched, error) {
	out, err := c.output(ctx)
	if err != nil {
		return nil, err
	}
	var tests []batched
	for line := range bytes.Lines(out) {
		var b batched
		if json.Unmarshal(line, &b) == nil && b.Texts > 0 {
			tests = append(tests, b)
		}
	}
	if len(tests) == 0 {
		return nil, errors.New(strings.Join(c.args, " ") + ": no figure")
	}
	return tests, nil
}
