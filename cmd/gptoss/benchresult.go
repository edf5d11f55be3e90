package main

import (
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"expertfs"
	"expertfs/cmd/internal/build"
	"expertfs/infer"
	"expertfs/infer/kernel"

	"github.com/dustin/go-humanize"
)

// benchResult is one test's samples and what happened in them.
type benchResult struct {
	*bench
	prompt, generate int
	depth            int // tokens of the text before
	start            time.Time
	samples          []time.Duration // of the whole test, one per repetition
	stats            infer.Stats
	drive            driveStats
	driveSpeed       float64 // in bytes a second, 0 if not known
}

// name is the test as llama-bench calls it.
func (r *benchResult) name() string {
	name := fmt.Sprintf("tg%d", r.generate)
	if r.prompt > 0 {
		name = fmt.Sprintf("pp%d", r.prompt)
	}
	if r.depth > 0 {
		name += fmt.Sprintf(" @ d%d", r.depth)
	}
	return name
}

// speeds are the tokens per second of each repetition.
func (r *benchResult) speeds() []float64 {
	var v []float64
	for _, d := range r.samples {
		v = append(v, float64(r.prompt+r.generate)/d.Seconds())
	}
	return v
}

// meanDeviation is the mean and the standard deviation of a sample.
func meanDeviation(v []float64) (mean, deviation float64) {
	for _, x := range v {
		mean += x / float64(len(v))
	}
	if len(v) < 2 {
		return mean, 0
	}
	for _, x := range v {
		deviation += (x - mean) * (x - mean)
	}
	return mean, math.Sqrt(deviation / float64(len(v)-1))
}

// benchRecord is a test in the machine-readable formats: llama-bench's keys
// first, then ours. Times are in nanoseconds, averages per repetition.
type benchRecord struct {
	BuildCommit   string    `json:"build_commit"`
	CPUInfo       string    `json:"cpu_info"`
	Backends      string    `json:"backends"`
	ModelFilename string    `json:"model_filename"`
	ModelType     string    `json:"model_type"`
	ModelSize     int64     `json:"model_size"`
	ModelParams   int64     `json:"model_n_params"`
	Batch         int       `json:"n_batch"`
	UBatch        int       `json:"n_ubatch"`
	Threads       int       `json:"n_threads"`
	CPUStrict     bool      `json:"cpu_strict"`
	Prompt        int       `json:"n_prompt"`
	Gen           int       `json:"n_gen"`
	Depth         int       `json:"n_depth"`
	TestTime      string    `json:"test_time"`
	AvgNS         int64     `json:"avg_ns"`
	StddevNS      int64     `json:"stddev_ns"`
	AvgTS         float64   `json:"avg_ts"`
	StddevTS      float64   `json:"stddev_ts"`
	SamplesNS     []int64   `json:"samples_ns"`
	SamplesTS     []float64 `json:"samples_ts"`

	Act           string            `json:"act"`
	Dense         string            `json:"dense"`
	Routing       string            `json:"routing"`                // "router" or "recorded"
	HitRate       *float64          `json:"hit_rate"`               // of the mount; null for a plain folder
	DriveBytes    float64           `json:"drive_bytes_per_token"`  // read from the drive
	NeededBytes   float64           `json:"needed_bytes_per_token"` // of these, what uses needed; the rest was read ahead in vain
	DriveSpeed    *float64          `json:"drive_speed"`            // in bytes a second; null if not known, as the next two
	BoundNS       *int64            `json:"bound_ns_per_token"`     // the longer of computing and reading what was needed
	OverBound     *float64          `json:"over_bound"`             // computing and waiting over that
	ExpertsOpened float64           `json:"opens_per_token"`        // the others were still mapped
	ComputeNS     int64             `json:"compute_ns_per_token"`   // all but the next two
	WaitNS        int64             `json:"wait_ns_per_token"`      // stall: nothing to compute, for want of an expert
	RestNS        int64             `json:"rest_ns_per_token"`      // outside of the model: choosing tokens, measuring
	Hinted        float64           `json:"hints_per_token"`        // experts that the mount was told to prefetch
	Prefer        float64           `json:"prefer_resident"`        // in logits
	Substituted   float64           `json:"substituted_per_token"`  // experts in RAM in place of the router's choice
	Prediction    []layerPrediction `json:"prediction"`             // by layer, where predictions were made
	ByAhead       []aheadPrediction `json:"prediction_by_ahead"`    // by how many layers ahead they were made
}

// layerPrediction is how well the experts of one layer were predicted.
type layerPrediction struct {
	Layer     int     `json:"layer"`
	Precision float64 `json:"precision"` // share of the predicted that were chosen
	Recall    float64 `json:"recall"`    // share of the chosen that were predicted
}

// aheadPrediction is how well experts were predicted from some layers before theirs.
type aheadPrediction struct {
	Ahead     int     `json:"layers_ahead"`
	Precision float64 `json:"precision"`
	Recall    float64 `json:"recall"`
	Hinted    float64 `json:"hints_per_token"`
}

func (r *benchResult) record() benchRecord {
	tokens := float64(r.stats.Tokens)
	total := time.Duration(0)
	var ns []int64
	var nsFloat []float64
	for _, d := range r.samples {
		total += d
		ns = append(ns, int64(d))
		nsFloat = append(nsFloat, float64(d))
	}
	rec := benchRecord{
		BuildCommit: build.Commit(), CPUInfo: cpuInfo(), Backends: "CPU/" + kernel.Name(),
		ModelFilename: r.dir, ModelType: r.size.name, ModelSize: r.size.bytes, ModelParams: r.size.params,
		Batch: r.batch, UBatch: r.ubatch, Threads: r.engine.Threads(), CPUStrict: r.engine.Bound(),
		Prompt: r.prompt, Gen: r.generate, Depth: r.depth, TestTime: r.start.UTC().Format(time.RFC3339),
		SamplesNS: ns, SamplesTS: r.speeds(),
		Act: r.engine.Act(), Dense: r.engine.Dense(), Routing: r.routing(),
		Prediction:    []layerPrediction{},
		ByAhead:       []aheadPrediction{},
		DriveBytes:    float64(r.drive.bytesRead) / tokens,
		ExpertsOpened: float64(r.stats.Opened) / tokens,
		Prefer:        r.engine.PreferResident(),
		Substituted:   float64(r.stats.Substituted) / tokens,
		ComputeNS:     int64(float64(r.stats.Elapsed-r.stats.Waited) / tokens),
		WaitNS:        int64(float64(r.stats.Waited) / tokens),
		RestNS:        int64(float64(total-r.stats.Elapsed) / tokens),
	}
	r.setBound(&rec)
	avg, dev := meanDeviation(nsFloat)
	rec.AvgNS, rec.StddevNS = int64(avg), int64(dev)
	rec.AvgTS, rec.StddevTS = meanDeviation(rec.SamplesTS)
	if rate, ok := r.drive.hitRate(); ok {
		rec.HitRate = &rate
	}
	for l, p := range r.stats.Prediction {
		rec.Hinted += float64(p.Hinted) / tokens
		if p.Predicted > 0 {
			right := float64(p.Right)
			rec.Prediction = append(rec.Prediction, layerPrediction{l, right / float64(p.Predicted), right / float64(p.Chosen)})
		}
	}
	for ahead, p := range r.stats.Ahead {
		if p.Predicted > 0 {
			right := float64(p.Right)
			rec.ByAhead = append(rec.ByAhead, aheadPrediction{
				ahead, right / float64(p.Predicted), right / float64(p.Chosen), float64(p.Hinted) / tokens})
		}
	}
	return rec
}

// setBound compares the time of a token with the shortest that there could be.
func (r *benchResult) setBound(rec *benchRecord) {
	expert := float64(r.stats.OpenedBytes) / float64(max(r.stats.Opened, 1))
	rec.NeededBytes = r.drive.needed(expert) / float64(r.stats.Tokens)
	if r.driveSpeed <= 0 {
		return
	}
	least := int64(bound(time.Duration(rec.ComputeNS), rec.NeededBytes, r.driveSpeed))
	over := float64(rec.ComputeNS+rec.WaitNS) / float64(max(least, 1))
	rec.DriveSpeed, rec.BoundNS, rec.OverBound = &r.driveSpeed, &least, &over
}

// modelSize describes a model as llama-bench does.
type modelSize struct {
	name   string
	bytes  int64
	params int64
}

// sizeOf adds up the folder's weight files.
func sizeOf(dir string, e *infer.Engine) (modelSize, error) {
	m := modelSize{params: e.Parameters()}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != expertfs.Suffix {
			return err
		}
		info, err := d.Info()
		if err == nil {
			m.bytes += info.Size()
		}
		return err
	})
	m.name = fmt.Sprintf("gpt-oss %s MXFP4 MoE", strings.ReplaceAll(humanize.SIWithDigits(float64(m.params), 0, ""), " ", ""))
	return m, err
}

// cpuInfo is the processor's name.
func cpuInfo() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err == nil {
		for line := range strings.Lines(string(text)) {
			if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
				return strings.TrimSpace(value)
			}
		}
	}
	return runtime.GOARCH
}
