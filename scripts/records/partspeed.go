package main

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"expertfs/scripts/records/report"
)

// kernelBench compiles the kernels' benchmarks and returns the program.
func (s *session) kernelBench(ctx context.Context) (string, error) {
	program := filepath.Join(s.work, "kernel.test")
	_, err := call{args: []string{"go", "test", "-C", s.root, "-c", "-o", program, "./infer/kernel"}}.output(ctx)
	return program, err
}

var benchLine = regexp.MustCompile(`(?m)^Benchmark(\S+?)(?:-\d+)?\s+\d+\s+[\d.]+ ns/op\s+([\d.]+) (MB/s|GMAC/s)`)

// goBench runs benchmarks and gives each of its figures, in MB/s or GMAC/s, to use.
func goBench(ctx context.Context, program, pattern, time string, use func(name string, figure float64, c call)) error {
	c := call{args: []string{program, "-test.run", "^$", "-test.bench", pattern, "-test.benchtime", time}}
	out, err := c.output(ctx)
	if err != nil {
		return err
	}
	lines := benchLine.FindAllStringSubmatch(string(out), -1)
	if len(lines) == 0 {
		return fmt.Errorf("%s: no figure", pattern)
	}
	for _, m := range lines {
		figure, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			return err
		}
		use(m[1], figure, c)
	}
	return nil
}

func measureMemory(ctx context.Context, s *session) error {
	program, err := s.kernelBench(ctx)
	if err != nil {
		return err
	}
	for range s.rounds {
		if err := s.look(ctx); err != nil {
			return err
		}
		err := goBench(ctx, program, "^BenchmarkMemory$", "500ms", func(name string, figure float64, c call) {
			s.add(strings.TrimPrefix(name, "Memory/threads="), report.Memory, report.FromMemory, "GB/s", figure/1000, c)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// kernelNames are what the benchmarks' formats are called in the table.
var kernelNames = map[string]string{
	"mxfp4-int8": "MXFP4 by int8", "q8-int8": "Q8 by int8", "mxfp4-f32": "MXFP4 by f32", "bf16-f32": "BF16 by f32",
}

func measureKernels(ctx context.Context, s *session) error {
	program, err := s.kernelBench(ctx)
	if err != nil {
		return err
	}
	for range s.rounds {
		if err := s.look(ctx); err != nil {
			return err
		}
		err := goBench(ctx, program, "^BenchmarkMemory$/threads=2", "300ms", func(_ string, figure float64, c call) {
			s.add("plain read", report.Memory, report.FromMemory, "GB/s", figure/1000, c)
		})
		if err != nil {
			return err
		}
		err = goBench(ctx, program, "MulVec$/.*/avx/memory/threads=2|MulBatch$/.*/avx/n=64", "300ms", func(name string, figure float64, c call) {
			words := strings.Split(name, "/")
			quantity, unit := report.FromMemory, "GB/s"
			if words[0] == "MulBatch" {
				quantity, unit = report.Compute, "GMAC/s"
			} else {
				figure /= 1000
			}
			s.add(kernelNames[words[1]], words[2], quantity, unit, figure, c)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// fitsBeside tells whether a mount with all experts and llama.cpp, which keeps its
// file in the page cache and a repacked copy, have room at the same time.
func (s *session) fitsBeside(f *facts) bool {
	mount := f.Experts + f.Dense + f.Embedding
	return 3*mount < s.machine.Memory*8/10
}

// beside runs ours with the model mounted, all in RAM, and theirs, in turn. The mount
// stays where both fit into memory.
func (s *session) beside(ctx context.Context, model string, f *facts, ours, theirs func(arm) error) error {
	each := func(do func(arm) error) error {
		for _, a := range s.arms() {
			if err := do(a); err != nil {
				return err
			}
		}
		return nil
	}
	if s.fitsBeside(f) {
		return s.mounted(ctx, model, "100%", "", func() error {
			for range s.rounds {
				if err := s.look(ctx); err != nil {
					return err
				}
				err := each(func(a arm) error {
					if err := ours(a); err != nil {
						return err
					}
					return theirs(a)
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	for range s.rounds {
		if err := s.look(ctx); err != nil {
			return err
		}
		if err := s.mounted(ctx, model, "100%", "", func() error { return each(ours) }); err != nil {
			return err
		}
		if err := each(theirs); err != nil {
			return err
		}
	}
	return nil
}

func measureDecode(ctx context.Context, s *session) error {
	model, f, err := s.model20(ctx)
	if err != nil {
		return err
	}
	program, err := s.kernelBench(ctx)
	if err != nil {
		return err
	}
	s.tellPeer()
	// The last test counts: in those before, a process maps each expert for the first time.
	test := []string{"-p", "0", "-n", strconv.Itoa(32 * 12 / (6 + s.layers)), "-r", "4"}
	return s.beside(ctx, model, f, func(a arm) error {
		err := goBench(ctx, program, "^BenchmarkMemory$/threads=2", "300ms", func(_ string, figure float64, c call) {
			s.add(a.name, report.Memory, report.FromMemory, "GB/s", figure/1000, c)
		})
		if err != nil {
			return err
		}
		return s.speed(ctx, a.name, report.Ours, s.gptoss(a.env, "", test...))
	}, func(a arm) error { return s.theirs(ctx, a, model, test) })
}

func measurePrefill(ctx context.Context, s *session) error {
	model, f, err := s.model20(ctx)
	if err != nil {
		return err
	}
	s.tellPeer()
	test := []string{"-p", "512", "-n", "0", "-r", "1"}
	return s.beside(ctx, model, f,
		func(a arm) error { return s.speed(ctx, a.name, report.Ours, s.gptoss(a.env, "", test...)) },
		func(a arm) error { return s.theirs(ctx, a, model, test) })
}

// speed runs a bench and adds its speed.
func (s *session) speed(ctx context.Context, name, arm string, c call) error {
	b, err := c.bench(ctx)
	if err != nil {
		return err
	}
	if arm == report.Peer && s.rec.Peer == "" {
		s.rec.Peer = strings.TrimSpace(report.Peer + " " + b.Commit)
	}
	s.add(name, arm, report.Speed, "tok/s", b.last(), c)
	return nil
}

// theirs runs llama.cpp as it is by default, where there is such a build.
func (s *session) theirs(ctx context.Context, a arm, model string, test []string) error {
	if a.folder == "" {
		return nil
	}
	return s.speed(ctx, a.name, report.Peer, s.llamaBench(a.folder, model, "", test...))
}
