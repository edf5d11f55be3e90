package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"expertfs/scripts/records/report"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "records:", err)
		os.Exit(1)
	}
}

// options are what is asked for.
type options struct {
	root, work                    string // of the project, and where models and mounts are
	llama, llamaAVX2, llamaMapped string // folders with llama-bench and llama-batched-bench
	peer                          string // what to call llama.cpp
	machine                       string // its kind, "" to look it up
	rounds                        int
	readahead                     string // of the drive in KiB, while llama.cpp reads from it
	routing, routing120           string
	force, again, more            bool
}

func run(ctx context.Context, args []string) error {
	command := "list"
	if len(args) > 0 {
		command, args = args[0], args[1:]
	}
	o := &options{}
	f := flag.NewFlagSet("records "+command, flag.ContinueOnError)
	f.StringVar(&o.root, "root", ".", "folder of the project")
	f.StringVar(&o.work, "work", "bin/records", "folder for models (3 GB for a quarter of 20b) and mounts")
	f.StringVar(&o.llama, "llama", "", "folder with llama.cpp's llama-bench and llama-batched-bench, built for this CPU")
	f.StringVar(&o.llamaAVX2, "llama-avx2", "", "the same, built for AVX2 alone (-DGGML_NATIVE=OFF -DGGML_AVX2=ON -DGGML_FMA=ON -DGGML_F16C=ON -DGGML_BMI2=ON)")
	f.StringVar(&o.llamaMapped, "llama-mapped", "", "the same, built with -DGGML_CPU_REPACK=OFF: it computes on the mapped file, which a memory limit needs")
	f.StringVar(&o.peer, "peer", "", "which llama.cpp that is, for the tables (default: with the commit that llama-bench tells)")
	f.StringVar(&o.machine, "machine", "", "what to call this kind of CPU: Zen 4 (default: by its model)")
	f.IntVar(&o.rounds, "rounds", 3, "times that each arm is run")
	f.StringVar(&o.readahead, "readahead", "128", "readahead of the drive in KiB while llama.cpp reads from it: what suits it best")
	f.StringVar(&o.routing, "routing", "checkpoint/checkpointtest/reference/testdata/gpt-oss-20b", "folder of recorded routing of 20b")
	f.StringVar(&o.routing120, "routing-120b", "", "recorded routing of 120b (docs/traces.md)")
	f.BoolVar(&o.force, "force", false, "measure on a busy machine too; the data tell")
	f.BoolVar(&o.more, "more", false, "add rounds to what was measured on this commit")
	f.BoolVar(&o.again, "again", false, "measure parts again that have been on this commit")
	if err := f.Parse(args); err != nil {
		return err
	}
	switch command {
	case "list":
		return list(o, f.Args())
	case "draw", "check":
		changed, err := report.Update(o.root, command == "check")
		for _, name := range changed {
			fmt.Println(name)
		}
		if err == nil && command == "check" && len(changed) > 0 {
			err = errors.New("the files above are not what the data give: run make records-draw")
		}
		return err
	case "measure":
		return measure(ctx, o, f.Args())
	}
	return fmt.Errorf("%q is not one of measure, list, draw, check", command)
}

// chosen is a part that was asked for.
type chosen struct {
	*part
	layers int
}

// choose reads names of parts, each with a number of layers where one is wanted.
func choose(names []string) ([]chosen, error) {
	var list []chosen
	if len(names) == 0 {
		for i := range parts {
			list = append(list, chosen{&parts[i], parts[i].layers})
		}
		return list, nil
	}
	for _, word := range names {
		name, number, scaled := strings.Cut(word, ":")
		i := slices.IndexFunc(parts, func(p part) bool { return p.name == name })
		if i < 0 {
			return nil, fmt.Errorf("no part is called %q: records list tells them", name)
		}
		c := chosen{&parts[i], parts[i].layers}
		if scaled {
			n, err := strconv.Atoi(number)
			if err != nil || n < 1 || n > c.of {
				return nil, fmt.Errorf("%s: layers must be 1 to %d", word, c.of)
			}
			c.layers = n
		}
		list = append(list, c)
	}
	return list, nil
}

// list prints the parts that are asked for and their estimates.
func list(o *options, names []string) error {
	chosen, err := choose(names)
	if err != nil {
		return err
	}
	total := time.Duration(0)
	for _, c := range chosen {
		t := c.estimate(c.layers, o.rounds)
		total += t
		fmt.Printf("%-9s %3d layers  about %5s  %s\n", c.name, c.layers, t.Round(time.Second), c.what)
	}
	fmt.Printf("together about %s, and the time to make models\n", total.Round(time.Second))
	return nil
}

// measure runs parts one after the other. One that fails does not keep the next from
// being measured.
func measure(ctx context.Context, o *options, names []string) error {
	if err := list(o, names); err != nil {
		return err
	}
	chosen, err := choose(names)
	if err != nil {
		return err
	}
	l, err := newLab(o)
	if err != nil {
		return err
	}
	defer l.close()
	var failed []error
	for _, c := range chosen {
		if ctx.Err() != nil {
			break
		}
		began := time.Now()
		path, err := l.measure(ctx, c)
		switch {
		case err != nil:
			err = fmt.Errorf("%s: %w", c.name, err)
			fmt.Println(err)
			failed = append(failed, err)
		case path == "":
			fmt.Printf("%s: measured on this commit already (AGAIN=1 measures it anew, MORE=1 adds rounds)\n", c.name)
		default:
			fmt.Printf("%s: %s, %s\n", c.name, path, time.Since(began).Round(time.Second))
		}
	}
	if ctx.Err() != nil {
		failed = append(failed, errors.New("interrupted; parts that are written are kept"))
	}
	changed, err := report.Update(o.root, false)
	fmt.Println("drawn:", strings.Join(changed, " "))
	return errors.Join(append(failed, err)...)
}

// measure runs one part and writes its record; path is "" where that was done before.
func (l *lab) measure(ctx context.Context, c chosen) (path string, err error) {
	dir := filepath.Join(l.root, "docs/benchmarks")
	rec := &report.Record{Part: c.name, Machine: l.machine, Commit: l.commit, Date: time.Now().UTC().Format(time.RFC3339), Command: c.command()}
	old, err := report.Read(filepath.Join(dir, report.Slug(l.machine.Name), c.name+".json"))
	done := err == nil && old.Commit == rec.Commit && old.Command == rec.Command && !old.Load.Busy
	if done && !l.again && !l.more {
		return "", nil
	}
	if rec.Load, err = l.waitForQuiet(ctx); err != nil {
		return "", err
	}
	if done && l.more {
		rec.Results, rec.Date = old.Results, old.Date
		rec.Load.Others = max(rec.Load.Others, old.Load.Others)
	}
	s := &session{lab: l, rec: rec, layers: c.layers}
	if err := c.run(ctx, s); err != nil {
		return "", err
	}
	rec.Load.Busy = rec.Load.Others > quietShare
	return rec.Write(dir)
}

// command gives the record again, but for folders that differ from machine to machine.
func (c chosen) command() string {
	if c.layers > 0 {
		return fmt.Sprintf("make records PARTS=%s:%d", c.name, c.layers)
	}
	return "make records PARTS=" + c.name
}
