package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"expertfs/scripts/records/report"
)

func measureStreams(ctx context.Context, s *session) error {
	model, f, err := s.model20(ctx)
	if err != nil {
		return err
	}
	s.tellPeer()
	ours := s.gptoss(nil, "", "-p", "32", "-n", "24", "--n-parallel", "1,2,4,8")
	ours.args[slices.Index(ours.args, "json")] = "jsonl"
	ours.args = slices.DeleteFunc(ours.args, func(a string) bool { return a == "--no-warmup" })
	theirs := call{args: []string{filepath.Join(s.llama, "llama-batched-bench"), "-m", model, "-t", strconv.Itoa(s.machine.CPUs),
		"-npp", "32", "-ntg", "24", "-npl", "1,2,4,8", "-c", "2048", "--output-format", "jsonl"}}
	run := func(c call, arm, quantity string) error {
		tests, err := c.batchedBench(ctx)
		for _, t := range tests {
			s.add(strconv.Itoa(t.Texts), arm, quantity, "tok/s", t.Speed, c)
		}
		return err
	}
	for range s.rounds {
		if err := s.look(ctx); err != nil {
			return err
		}
		if err := s.mounted(ctx, model, "100%", "", func() error { return run(ours, report.Ours, report.Speed) }); err != nil {
			return err
		}
		if s.llama != "" {
			if err := run(theirs, report.Peer, report.Speed); err != nil {
				return err
			}
		}
		half := strconv.FormatInt(f.Experts/2, 10)
		if err := s.mounted(ctx, model, half, "", func() error { return run(ours, report.Ours, "speed at 50%") }); err != nil {
			return err
		}
	}
	return nil
}

var plainRow = regexp.MustCompile(`(?m)^\| ((?:root|plain)-(?:socket|files)) \| ([\d. ]+) \|`)

// plainNames are the cases that bench-plain.sh knows by its arms.
var plainNames = map[string]string{
	"root-socket": "root, socket", "root-files": "root, files, passthrough",
	"plain-socket": "a plain user, socket", "plain-files": "a plain user, files, copied by the daemon",
}

func measurePlain(ctx context.Context, s *session) error {
	model, _, err := s.model20(ctx)
	if err != nil {
		return err
	}
	s.rec.Notes = append(s.rec.Notes, "Room for 25%")
	// One round at a time, so that runs are kept in their order.
	for range s.rounds {
		if err := s.look(ctx); err != nil {
			return err
		}
		c := call{args: []string{filepath.Join(s.root, "scripts/bench-plain.sh"), "--checkpoint", filepath.Dir(model), "--room", "25", "-n", "32", "-r", "1"}}
		out, err := c.output(ctx)
		if err != nil {
			return err
		}
		rows := plainRow.FindAllStringSubmatch(string(out), -1)
		if len(rows) == 0 {
			return errors.New("bench-plain.sh: no figure")
		}
		for _, m := range rows {
			speed, err := strconv.ParseFloat(strings.TrimSpace(m[2]), 64)
			if err != nil {
				return err
			}
			s.add(plainNames[m[1]], report.Ours, report.Speed, "tok/s", speed, c)
		}
	}
	return nil
}

// measureStats opens random experts that are in RAM, alone and while another program
// reads without a pause.
func measureStats(ctx context.Context, s *session) error {
	model, _, err := s.model20(ctx)
	if err != nil {
		return err
	}
	return s.mounted(ctx, model, "100%", "", func() error {
		for range s.rounds {
			if err := s.look(ctx); err != nil {
				return err
			}
			for _, beside := range []struct{ name, file string }{
				{"alone", ""}, {"beside a reader of a plain file", "/proc/cpuinfo"}, {"beside a reader of stats", filepath.Join(s.mnt, ".expertfs/stats")},
			} {
				median, p99, err := s.opens(ctx, beside.file)
				if err != nil {
					return err
				}
				s.add(beside.name, "mount", "open", "us", micro(median), call{})
				s.add(beside.name, "mount", "p99 of opens", "us", micro(p99), call{})
			}
		}
		return nil
	})
}

func micro(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// opens opens and closes experts in random order for two seconds, while a program
// reads file again and again.
func (s *session) opens(ctx context.Context, file string) (median, p99 time.Duration, err error) {
	experts, err := filepath.Glob(filepath.Join(s.mnt, "layers/*/experts/*"))
	if err != nil || len(experts) == 0 {
		return 0, 0, errors.New("the mount has no experts")
	}
	if file != "" {
		reader := exec.CommandContext(ctx, "sh", "-c", `while :; do cat "$0" >/dev/null; done`, file)
		if err := reader.Start(); err != nil {
			return 0, 0, err
		}
		defer func() { _ = reader.Process.Kill(); _ = reader.Wait() }()
	}
	var times []time.Duration
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); {
		path := experts[rand.IntN(len(experts))]
		began := time.Now()
		f, err := os.Open(path)
		if err != nil {
			return 0, 0, err
		}
		times = append(times, time.Since(began))
		f.Close()
	}
	slices.Sort(times)
	return times[len(times)/2], times[len(times)*99/100], nil
}

// measureStart times gptoss run on a mount that has everything in RAM.
func measureStart(ctx context.Context, s *session) error {
	model, _, err := s.model20(ctx)
	if err != nil {
		return err
	}
	ids := filepath.Join(s.work, "ids")
	if err := os.WriteFile(ids, []byte("1 2 3\n"), 0o644); err != nil {
		return err
	}
	c := call{args: []string{s.bin("gptoss"), "run", "--model", s.mnt, "--ids", ids, "-n", "1", "--temp", "0", "--prefix-dir", "none", "--json"}}
	return s.mounted(ctx, model, "100%", "", func() error {
		if _, err := c.output(ctx); err != nil { // the first makes the rounded weights
			return err
		}
		for range 2 * s.rounds {
			if err := s.look(ctx); err != nil {
				return err
			}
			began := time.Now()
			out, err := c.output(ctx)
			if err != nil {
				return err
			}
			all := time.Since(began).Seconds()
			var told struct {
				LoadMS   float64 `json:"load_ms"`
				PromptMS float64 `json:"prompt_ms"`
			}
			if err := json.Unmarshal(out, &told); err != nil {
				return fmt.Errorf("gptoss run --json: %w", err)
			}
			s.add("warm mount, 3 tokens of prompt", report.Ours, "start", "s", all-told.PromptMS/1000, c)
			s.add("warm mount, 3 tokens of prompt", report.Ours, "loading", "s", told.LoadMS/1000, call{})
			s.add("warm mount, 3 tokens of prompt", report.Ours, "prompt", "s", told.PromptMS/1000, call{})
		}
		return nil
	})
}

// measureMount takes the figures of expertfs bench.
func measureMount(ctx context.Context, s *session) error {
	model, f, err := s.model20(ctx)
	if err != nil {
		return err
	}
	for range s.rounds {
		if err := s.look(ctx); err != nil {
			return err
		}
		err := s.mounted(ctx, model, strconv.FormatInt(f.Experts/2, 10), "", func() error {
			c := call{args: []string{s.bin("expertfs"), "bench", "--json", "--rounds", "3", s.mnt}}
			out, err := c.output(ctx)
			if err != nil {
				return err
			}
			type measure struct {
				Name    string
				Readers int
				Median  float64 `json:"median_ns"`
				Limit   *measure
			}
			var told struct{ Measures []measure }
			if err := json.Unmarshal(out, &told); err != nil {
				return fmt.Errorf("expertfs bench: %w", err)
			}
			for _, m := range told.Measures {
				if m.Limit == nil {
					continue
				}
				name := fmt.Sprintf("%s; %d readers", m.Name, m.Readers)
				if m.Readers < 2 {
					name = m.Name
				}
				s.add(name, "mount", report.Speed, "ms", m.Median/1e6, c)
				s.add(name, "limit", report.Speed, "ms", m.Limit.Median/1e6, c)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
