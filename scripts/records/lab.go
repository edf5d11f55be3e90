package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"expertfs/scripts/records/gguf"
	"expertfs/scripts/records/report"

	"golang.org/x/sync/errgroup"
)

// lab is what all parts work with.
type lab struct {
	*options
	machine report.Machine
	commit  string
	mnt     string // where models are mounted, one at a time

	readaheadFile, readaheadBefore string
	group, limitFile               string // memory group, "" where this user may not make one
}

// session is the measuring of one part.
type session struct {
	*lab
	rec    *report.Record
	layers int
}

func newLab(o *options) (*lab, error) {
	l := &lab{options: o, commit: commit(o.root)}
	var err error
	if l.machine, err = thisMachine(o.machine); err != nil {
		return nil, err
	}
	for _, p := range []*string{&o.root, &o.work} {
		if *p, err = filepath.Abs(*p); err != nil {
			return nil, err
		}
	}
	for _, program := range []string{"expertfs", "gptoss"} {
		if _, err := os.Stat(l.bin(program)); err != nil {
			return nil, fmt.Errorf("%w: run make build first", err)
		}
	}
	l.mnt = filepath.Join(o.work, "mnt")
	if err := os.MkdirAll(l.mnt, 0o755); err != nil {
		return nil, err
	}
	l.machine.Drive, l.readaheadFile = drive(o.work)
	if l.readaheadFile != "" {
		text, err := os.ReadFile(l.readaheadFile)
		if err != nil {
			return nil, err
		}
		l.readaheadBefore = strings.TrimSpace(string(text))
	}
	return l, l.makeGroup()
}

// makeGroup makes the memory group that limits both engines, in either version of
// control groups.
func (l *lab) makeGroup() error {
	if os.Geteuid() != 0 {
		return nil
	}
	l.group, l.limitFile = "/sys/fs/cgroup/expertfs-records", "memory.max"
	if _, err := os.Stat("/sys/fs/cgroup/memory"); err == nil {
		l.group, l.limitFile = "/sys/fs/cgroup/memory/expertfs-records", "memory.limit_in_bytes"
	}
	if err := os.MkdirAll(l.group, 0o755); err != nil {
		return fmt.Errorf("memory group: %w", err)
	}
	return nil
}

// close puts the machine back as it was.
func (l *lab) close() {
	l.setReadahead(l.readaheadBefore)
	if l.group != "" {
		os.Remove(l.group)
	}
	os.Remove(l.mnt)
}

// bin is one of our programs.
func (l *lab) bin(program string) string { return filepath.Join(l.root, "bin", program) }

// setReadahead sets the drive's, in KiB; where that is not allowed it stays.
func (l *lab) setReadahead(kib string) {
	if l.readaheadFile != "" && kib != "" {
		_ = os.WriteFile(l.readaheadFile, []byte(kib), 0o644)
	}
}

// limited sets the limit of the memory group and empties the page cache. It returns
// the group; without a limit, none.
func (l *lab) limited(limit int64) (group string, err error) {
	if limit == 0 {
		return "", nil
	}
	if l.group == "" {
		return "", errors.New("a memory limit needs root")
	}
	if _, err := (call{args: []string{"sync"}}).output(context.Background()); err != nil {
		return "", err
	}
	if err := os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0o644); err != nil {
		return "", err
	}
	return l.group, os.WriteFile(filepath.Join(l.group, l.limitFile), []byte(strconv.FormatInt(limit, 10)), 0o644)
}

// facts are what expertfs check tells of a model, in bytes.
type facts struct {
	Layers    int   `json:"layers"`
	Experts   int64 `json:"experts_bytes"`
	Dense     int64 `json:"dense_bytes"` // without the embedding, of which a token reads one row
	Embedding int64 `json:"embedding_bytes"`
	Token     int64 `json:"token_bytes"` // experts that a token uses
	Layout    string
}

func (l *lab) facts(ctx context.Context, model string) (*facts, error) {
	out, err := call{args: []string{l.bin("expertfs"), "check", "--json", model}}.output(ctx)
	if err != nil {
		return nil, err
	}
	var answer struct{ Model *facts }
	if err := json.Unmarshal(out, &answer); err != nil || answer.Model == nil {
		return nil, fmt.Errorf("expertfs check %s: no facts: %w", model, err)
	}
	if answer.Model.Layout != "gguf" { // dense weights of 16 bits, which gptoss reads as 8 and a scale for 32
		answer.Model.Dense = answer.Model.Dense * 17 / 32
	}
	return answer.Model, nil
}

// model20 returns the GGUF file of a part of gpt-oss-20b, which is made where it is
// not there yet, and tells the record about it. The version in its name is raised
// when its weights are drawn otherwise.
func (s *session) model20(ctx context.Context) (string, *facts, error) {
	path := filepath.Join(s.work, fmt.Sprintf("gpt-oss-20b-%d-layers-v2", s.layers), "model.gguf")
	if _, err := os.Stat(path); err != nil {
		m := gguf.Part(s.layers)
		fmt.Printf("%s: writing %d MB of random weights\n", path, m.Size()/1e6)
		if err := gguf.Write(path, m); err != nil {
			return "", nil, err
		}
	}
	f, err := s.facts(ctx, path)
	if err != nil {
		return "", nil, err
	}
	s.rec.Model = &report.Model{Name: "gpt-oss-20b, random weights", Layers: f.Layers, OfLayers: 24, Experts: f.Experts, TokenBytes: f.Token + f.Dense}
	return path, f, nil
}

// mount mounts a model with so many bytes for experts; an empty group is none.
func (l *lab) mount(ctx context.Context, model, ram, group string, flags ...string) error {
	args := append([]string{l.bin("expertfs"), "mount", "--ram", ram}, flags...)
	_, err := call{group: group, args: append(args, model, l.mnt)}.output(ctx)
	return err
}

// unmount ends the mount, also when the measuring was interrupted.
func (l *lab) unmount(ctx context.Context) error {
	_, err := call{args: []string{l.bin("expertfs"), "umount", l.mnt}}.output(context.WithoutCancel(ctx))
	return err
}

// fillRAM opens experts of all layers alike until RAM is full, as an engine does that
// loads a model. Four at a time keep the drive busy.
func (l *lab) fillRAM(ctx context.Context, ram string) error {
	files, err := filepath.Glob(filepath.Join(l.mnt, "layers/*/experts/*"))
	if err != nil {
		return err
	}
	slices.SortStableFunc(files, func(a, b string) int { return strings.Compare(filepath.Base(a), filepath.Base(b)) })
	left := int64(math.MaxInt64)
	if bytes, err := strconv.ParseInt(ram, 10, 64); err == nil { // not a share
		left = bytes
	}
	var g errgroup.Group
	g.SetLimit(4)
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			return err
		}
		if left -= info.Size(); left < 0 || ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			f, err := os.Open(file)
			if err == nil {
				err = f.Close()
			}
			return err
		})
	}
	return errors.Join(g.Wait(), ctx.Err())
}

// mounted runs do while a model is mounted, its RAM filled.
func (l *lab) mounted(ctx context.Context, model, ram, group string, do func() error) error {
	if err := l.mount(ctx, model, ram, group); err != nil {
		return err
	}
	err := l.fillRAM(ctx, ram)
	if err == nil {
		err = do()
	}
	return errors.Join(err, l.unmount(ctx))
}

// gptoss is a call of gptoss bench on the mount.
func (l *lab) gptoss(env []string, group string, args ...string) call {
	return call{env: env, group: group, args: append([]string{l.bin("gptoss"), "bench", "--model", l.mnt, "--no-warmup", "-o", "json"}, args...)}
}

// llamaBench is a call of llama-bench.
func (l *lab) llamaBench(folder, model, group string, args ...string) call {
	threads := strconv.Itoa(l.machine.CPUs)
	return call{group: group, args: append([]string{filepath.Join(folder, "llama-bench"), "-m", model, "-t", threads, "--no-warmup", "-o", "json"}, args...)}
}

// add adds one run, and says so.
func (s *session) add(name, arm, quantity, unit string, run float64, c call) {
	command := ""
	if len(c.args) > 0 {
		command = strings.Join(append(c.env, c.args...), " ")
		for _, dir := range []string{s.work + "/", filepath.Join(s.root, "bin") + "/", s.root + "/", s.llama + "/", s.llamaAVX2 + "/", s.llamaMapped + "/", filepath.Dir(s.routing120) + "/"} {
			if len(dir) > 2 { // of what was not given nothing is left but . or /
				command = strings.ReplaceAll(command, dir, "")
			}
		}
	}
	s.rec.Add(report.Measure{Case: name, Arm: arm, Quantity: quantity, Unit: unit, Command: command}, run)
	fmt.Printf("  %-28s %-10s %-10s %8.3f %s\n", name, arm, quantity, run, unit)
}

// addBench adds what a bench of ours tells beside its speed.
func (s *session) addBench(name string, b *benched, c call) {
	s.add(name, report.Ours, report.Speed, "tok/s", b.last(), c)
	if b.HitRate != nil {
		s.add(name, report.Ours, report.Hits, "%", 100**b.HitRate, call{})
	}
	s.add(name, report.Ours, report.Drive, "MB", b.DriveBytes/1e6, call{})
	s.add(name, report.Ours, report.Stall, "ms", b.WaitNS/1e6, call{})
	s.add(name, report.Ours, report.Compute, "ms", b.ComputeNS/1e6, call{})
	if b.DriveSpeed != nil && b.BoundNS != nil && b.OverBound != nil {
		s.add(name, report.Ours, report.DriveSpeed, "GB/s", *b.DriveSpeed/1e9, call{})
		s.add(name, report.Ours, report.Least, "ms", *b.BoundNS/1e6, call{})
		s.add(name, report.Ours, report.XBound, "x", *b.OverBound, call{})
	}
}
