package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"expertfs/scripts/records/report"

	"golang.org/x/sys/unix"
)

// besideWeights is what an engine needs beside weights, in bytes.
const besideWeights = 350e6

func measureRoom(ctx context.Context, s *session) error {
	model, f, err := s.model20(ctx)
	if err != nil {
		return err
	}
	s.tellPeer()
	s.rec.Notes = append(s.rec.Notes, fmt.Sprintf("llama.cpp reads the mapped file with a readahead of %s KiB; with room for all it computes as it does by default", s.readahead))
	for range s.rounds {
		if err := s.look(ctx); err != nil {
			return err
		}
		for _, room := range []int64{100, 75, 50, 25} {
			if err := s.room(ctx, model, f, room); err != nil {
				return err
			}
		}
	}
	return nil
}

// room measures both engines once under a limit that leaves room for so many percent
// of the experts, and without one for all.
func (s *session) room(ctx context.Context, model string, f *facts, percent int64) error {
	name := fmt.Sprintf("%d%%", percent)
	limit, ram := int64(0), "100%"
	if percent < 100 {
		// llama.cpp's share of the limit is its dense weights with the embedding; a
		// mount has for experts what gptoss, which reads the embedding by rows, leaves.
		limit = f.Dense + f.Embedding + besideWeights + f.Experts*percent/100
		ram = strconv.FormatInt(limit-besideWeights-f.Dense, 10)
	}
	group, err := s.limited(limit)
	if err != nil {
		return err
	}
	err = s.mounted(ctx, model, ram, group, func() error {
		c := s.gptoss(nil, group, "-p", "0", "-n", "48", "-r", "2")
		b, err := c.bench(ctx)
		if err == nil {
			s.addBench(name, b, c)
		}
		return err
	})
	folder := s.llama
	if percent < 100 {
		folder = s.llamaMapped // what is repacked is anonymous memory, which no limit can take back
		s.setReadahead(s.readahead)
		defer s.setReadahead(s.readaheadBefore)
	}
	if err != nil || folder == "" {
		return err
	}
	if group, err = s.limited(limit); err != nil {
		return err
	}
	return s.speed(ctx, name, report.Peer, s.llamaBench(folder, model, group, "-p", "0", "-n", "16", "-r", "2"))
}

func measureRecorded(ctx context.Context, s *session) error {
	model, f, err := s.model20(ctx)
	if err != nil {
		return err
	}
	s.rec.Notes = append(s.rec.Notes, "Room for 25%; each round begins with a mount that knows nothing")
	for range s.rounds {
		if err := s.look(ctx); err != nil {
			return err
		}
		// Without filling it: what the policy learns is from the recordings.
		if err := s.mount(ctx, model, strconv.FormatInt(f.Experts/4, 10), ""); err != nil {
			return err
		}
		for _, name := range []string{"00", "03", "06"} {
			if err = s.recorded(ctx, name, filepath.Join(s.root, s.routing, name+".csv.gz"), 96); err != nil {
				break
			}
		}
		if e := s.unmount(ctx); err != nil || e != nil {
			return fmt.Errorf("%w %w", err, e)
		}
	}
	return nil
}

// recorded decodes with recorded routing.
func (s *session) recorded(ctx context.Context, name, routing string, tokens int) error {
	c := s.gptoss(nil, "", "-p", "0", "-n", strconv.Itoa(tokens), "-r", "1", "--routing", routing)
	b, err := c.bench(ctx)
	if err != nil {
		return err
	}
	s.addBench(name, b, c)
	return nil
}

// measure120b runs as many layers of 120b as asked for, the RAM for experts being the
// share that all RAM that is left would be for all layers.
func measure120b(ctx context.Context, s *session) error {
	folder := filepath.Join(s.work, fmt.Sprintf("gpt-oss-120b-%d-layers", s.layers))
	if err := s.model120(ctx, folder); err != nil {
		return err
	}
	f, err := s.facts(ctx, folder)
	if err != nil {
		return err
	}
	s.rec.Model = &report.Model{Name: "gpt-oss-120b, random weights", Layers: f.Layers, OfLayers: 36, Experts: f.Experts, TokenBytes: f.Token + f.Dense}
	part := s.rec.Model.Part()
	// Of all layers: what an eighth for the system, a program and the dense weights leave.
	left := float64(s.machine.Memory)*0.88 - besideWeights - float64(f.Dense)/part
	share := min(left/(float64(f.Experts)/part), 1)
	ram := strconv.FormatInt(int64(share*float64(f.Experts)), 10)
	s.rec.Notes = append(s.rec.Notes, fmt.Sprintf("RAM for %.1f%% of the experts, which is %.1f GB of the %.1f GB of all layers", 100*share, left/1e9, float64(f.Experts)/part/1e9))
	for range s.rounds {
		if err := s.look(ctx); err != nil {
			return err
		}
		err := s.mounted(ctx, folder, ram, "", func() error {
			c := s.gptoss(nil, "", "-p", "0", "-n", "32", "-r", "2")
			b, err := c.bench(ctx)
			if err == nil {
				s.addBench("random routers, top-4", b, c)
			}
			return err
		})
		if err != nil {
			return err
		}
		if s.routing120 == "" {
			continue
		}
		two := folder + "-top-2"
		if err := topTwo(folder, two); err != nil {
			return err
		}
		defer os.RemoveAll(two)
		err = s.mounted(ctx, two, ram, "", func() error {
			return s.recorded(ctx, "recorded routing, top-2", s.routing120, 64)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// spare is what making a model leaves free on the drive, in bytes.
const spare = 3e9

// model120 makes the model unless it is there.
func (s *session) model120(ctx context.Context, folder string) error {
	if _, err := os.Stat(filepath.Join(folder, "config.json")); err == nil {
		return nil
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(s.work, &fs); err != nil {
		return err
	}
	free, need := int64(fs.Bavail)*fs.Bsize, int64(s.layers)*1_830_000_000
	if free-need < spare {
		return fmt.Errorf("%d layers of gpt-oss-120b take %d GB and the drive has %d: measure fewer, PARTS=120b:%d", s.layers, need/1e9, free/1e9, max(1, (free-spare)/1_830_000_000))
	}
	c := call{args: []string{s.bin("expertfs"), "synth", "--preset", "120b", "--layers", strconv.Itoa(s.layers), "--vocab", strconv.Itoa(201088 * s.layers / 36 / 64 * 64), folder}}
	fmt.Printf("%s: writing %d GB of random weights; delete it when it is no longer wanted\n", folder, need/1e9)
	_, err := c.output(ctx)
	return err
}

// topTwo makes a folder of the same weights whose config says that a token uses two
// experts of a layer, as the public recording of 120b has it.
func topTwo(folder, two string) error {
	if err := os.MkdirAll(two, 0o755); err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(folder, "config.json"))
	if err != nil {
		return err
	}
	var config map[string]any
	if err := json.Unmarshal(text, &config); err != nil {
		return err
	}
	config["experts_per_token"] = 2
	if text, err = json.Marshal(config); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(two, "config.json"), text, 0o644); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.safetensors"))
	for _, file := range files {
		link := filepath.Join(two, filepath.Base(file))
		if _, e := os.Lstat(link); e == nil {
			continue
		}
		if err := os.Link(file, link); err != nil {
			return err
		}
	}
	return err
}
