package main

import (
	"context"
	"fmt"
	"time"

	"expertfs/infer"
	"expertfs/infer/kernel"
)

// batchedRecord is a test of several texts at a time, as llama-batched-bench has it:
// its keys first, then ours. Times are in seconds, of all texts together.
type batchedRecord struct {
	Batch    int     `json:"n_batch"`
	UBatch   int     `json:"n_ubatch"`
	Threads  int     `json:"n_threads"`
	Prompt   int     `json:"pp"` // tokens of each text's prompt, which is its own
	Gen      int     `json:"tg"` // tokens generated for each text
	Parallel int     `json:"pl"` // texts
	KV       int     `json:"n_kv"`
	PromptS  float64 `json:"t_pp"`
	PromptTS float64 `json:"speed_pp"` // tokens per second
	GenS     float64 `json:"t_tg"`
	GenTS    float64 `json:"speed_tg"`
	TotalS   float64 `json:"t"`
	TotalTS  float64 `json:"speed"`

	CPUInfo     string   `json:"cpu_info"`
	Backends    string   `json:"backends"`
	Act         string   `json:"act"`
	Dense       string   `json:"dense"`
	Routing     string   `json:"routing"`               // "router" or "recorded"
	ExpertsUsed float64  `json:"experts_per_step"`      // of each layer, while generating
	HitRate     *float64 `json:"hit_rate"`              // of the mount while generating; null for a plain folder
	DriveBytes  float64  `json:"drive_bytes_per_token"` // read from the drive while generating
	WaitS       float64  `json:"t_wait"`                // of t_tg: nothing to compute, for want of an expert
}

// speed is n tokens in d, in tokens per second.
func speed(n int, d time.Duration) (seconds, rate float64) {
	if d > 0 {
		rate = float64(n) / d.Seconds()
	}
	return d.Seconds(), rate
}

// batched measures so many texts at a time: their prompts one after the other, then
// a token of each in every batch.
func (b *bench) batched(ctx context.Context, prompt, generate, parallel int, out benchWriter) error {
	if !b.noWarmup {
		if _, err := b.batchedOnce(ctx, min(prompt, 16), min(generate, 2), parallel); err != nil {
			return err
		}
	}
	r, err := b.batchedOnce(ctx, prompt, generate, parallel)
	if err != nil {
		return err
	}
	return out.writeBatched(r)
}

func (b *bench) batchedOnce(ctx context.Context, prompt, generate, parallel int) (*batchedRecord, error) {
	texts := make([]*infer.Session, parallel)
	clear(b.offsets)
	for i := range texts {
		texts[i] = b.engine.NewSession()
		if b.recorded != nil { // far from each other in the recording
			b.offsets[texts[i]] = b.recorded.tokens() * i / parallel
		}
	}
	began := time.Now()
	for _, s := range texts {
		if err := s.Append(ctx, b.tokens(prompt), nil); err != nil {
			return nil, err
		}
	}
	read := time.Since(began)
	before, drive, err := b.counters()
	if err != nil {
		return nil, err
	}
	began = time.Now()
	pieces := make([]infer.Piece, parallel)
	for range generate {
		for i, s := range texts {
			pieces[i] = infer.Piece{Session: s, IDs: b.tokens(1), Logits: true}
		}
		if err := b.engine.Run(ctx, pieces...); err != nil {
			return nil, err
		}
	}
	wrote := time.Since(began)
	after, driveAfter, err := b.counters()
	if err != nil {
		return nil, err
	}
	stats, drive := after.Sub(before), driveAfter.sub(drive)
	r := &batchedRecord{
		Batch: b.batch, UBatch: b.ubatch, Threads: b.engine.Threads(), Prompt: prompt, Gen: generate, Parallel: parallel,
		KV: parallel * (prompt + generate), CPUInfo: cpuInfo(), Backends: "CPU/" + kernel.Name(),
		Act: b.engine.Act(), Dense: b.engine.Dense(), Routing: b.routing(), WaitS: stats.Waited.Seconds(),
	}
	r.PromptS, r.PromptTS = speed(parallel*prompt, read)
	r.GenS, r.GenTS = speed(parallel*generate, wrote)
	r.TotalS, r.TotalTS = speed(r.KV, read+wrote)
	if generate > 0 {
		r.ExpertsUsed = float64(stats.Used) / float64(generate*b.engine.Config().Layers)
		r.DriveBytes = float64(drive.bytesRead) / float64(generate*parallel)
		if rate, ok := drive.hitRate(); ok {
			r.HitRate = &rate
		}
	}
	return r, nil
}

// routing tells who chooses the experts.
func (b *bench) routing() string {
	if b.recorded != nil {
		return "recorded"
	}
	return "router"
}

func (b *benchTable) writeBatched(r *batchedRecord) error {
	if !b.begun {
		b.begun = true
		if _, err := fmt.Fprint(b.w, "|    PP |     TG |    B |   N_KV |   T_PP s | S_PP t/s |   T_TG s | S_TG t/s |      T s |    S t/s | experts | hit rate | drive/token | wait |\n"+
			"| ----: | -----: | ---: | -----: | -------: | -------: | -------: | -------: | -------: | -------: | ------: | -------: | ----------: | ---: |\n"); err != nil {
			return err
		}
	}
	hits := "-"
	if r.HitRate != nil {
		hits = fmt.Sprintf("%.1f%%", 100**r.HitRate)
	}
	wait := 0.0
	if r.GenS > 0 {
		wait = r.WaitS / r.GenS
	}
	_, err := fmt.Fprintf(b.w, "| %5d | %6d | %4d | %6d | %8.3f | %8.2f | %8.3f | %8.2f | %8.3f | %8.2f | %7.2f | %8s | %8.1f MB | %.0f%% |\n",
		r.Prompt, r.Gen, r.Parallel, r.KV, r.PromptS, r.PromptTS, r.GenS, r.GenTS, r.TotalS, r.TotalTS, r.ExpertsUsed, hits, r.DriveBytes/1e6, 100*wait)
	return err
}

func (b *benchJSON) writeBatched(r *batchedRecord) error { return b.object(r) }

func (b *benchCSV) writeBatched(r *batchedRecord) error { return b.object(r) }
