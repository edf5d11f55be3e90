package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"expertfs/cmd/internal/display"
	"expertfs/infer"
	"expertfs/infer/kernel"

	"github.com/dustin/go-humanize"
)

// timings are the moments of one run.
type timings struct {
	loaded                  time.Duration
	reused                  int // tokens of the prompt that were known
	promptTokens, generated int // that were computed
	began, promptDone, done time.Time
	atPrompt, atEnd         infer.Stats
	drive                   driveStats // between began and done
}

// timingFigures are the speeds that follow from them, in the JSON of run.
type timingFigures struct {
	LoadMS       float64 `json:"load_ms"`
	Reused       int     `json:"cache_n"`  // tokens of the prompt that were known
	Read         int     `json:"prompt_n"` // the others
	PromptMS     float64 `json:"prompt_ms"`
	PromptPerS   float64 `json:"prompt_per_second"`
	Decoded      int     `json:"predicted_n"` // tokens that predicted_ms was spent on
	DecodeMS     float64 `json:"predicted_ms"`
	DecodePerS   float64 `json:"predicted_per_second,omitempty"`
	ExpertsUsed  int64   `json:"experts_used"`
	Substituted  int64   `json:"experts_substituted"` // of those used, because they are in RAM
	ExpertsOpen  int64   `json:"experts_opened"`
	BySocket     int64   `json:"experts_by_socket"` // of those opened; the others as files
	ExpertBytes  int64   `json:"expert_bytes_opened"`
	ExpertWaitMS float64 `json:"expert_wait_ms"`
	StallMS      float64 `json:"stall_ms_per_token"` // the part of that for each token of predicted_n
	DriveBytes   int64   `json:"drive_bytes"`        // read from the drive
	HitRate      float64 `json:"hit_rate,omitempty"` // of the mount
}

func (t *timings) figures() *timingFigures {
	f := &timingFigures{
		LoadMS:       ms(t.loaded),
		Reused:       t.reused,
		Read:         t.promptTokens,
		PromptMS:     ms(t.promptDone.Sub(t.began)),
		PromptPerS:   perSecond(t.promptTokens, t.promptDone.Sub(t.began)),
		Decoded:      t.decoded(),
		DecodeMS:     ms(t.done.Sub(t.promptDone)),
		DecodePerS:   perSecond(t.decoded(), t.done.Sub(t.promptDone)),
		ExpertsUsed:  t.atEnd.Used,
		Substituted:  t.atEnd.Substituted,
		ExpertsOpen:  t.atEnd.Opened,
		BySocket:     t.atEnd.BySocket,
		ExpertBytes:  t.atEnd.OpenedBytes,
		ExpertWaitMS: ms(t.atEnd.Waited),
		DriveBytes:   t.drive.bytesRead,
	}
	if f.Decoded > 0 {
		f.StallMS = ms(t.atEnd.Waited-t.atPrompt.Waited) / float64(f.Decoded)
	}
	f.HitRate, _ = t.drive.hitRate()
	return f
}

// decoded is the number of tokens that were run through the model one by one:
// the first generated token comes from the prompt's logits.
func (t *timings) decoded() int { return t.atEnd.Tokens - t.atPrompt.Tokens }

// summary prints the figures for people. Notes say how the generation went.
func (t *timings) summary(w io.Writer, notes ...string) {
	f := t.figures()
	fmt.Fprintf(w, "\nload    %8.0f ms\n", f.LoadMS)
	fmt.Fprintf(w, "prompt  %8.0f ms  %5d tokens  %8.2f tokens/s", f.PromptMS, t.promptTokens, f.PromptPerS)
	if t.reused > 0 {
		fmt.Fprintf(w, "  (%d more were known)", t.reused)
	}
	fmt.Fprintln(w)
	fmt.Fprintf(w, "decode  %8.0f ms  %5d tokens", f.DecodeMS, f.Decoded)
	if f.Decoded > 0 {
		fmt.Fprintf(w, "  %8.2f tokens/s", f.DecodePerS)
	}
	fmt.Fprintf(w, "  (%s)\n", strings.Join(append([]string{fmt.Sprintf("%d generated", t.generated)}, notes...), ", "))
	fmt.Fprintf(w, "experts %8d used, %d opened (%s; %d by the mount's socket), %.0f ms waited for",
		f.ExpertsUsed, f.ExpertsOpen, humanize.IBytes(uint64(f.ExpertBytes)), f.BySocket, f.ExpertWaitMS)
	if f.Decoded > 0 {
		fmt.Fprintf(w, ", %.1f ms for each token decoded", f.StallMS)
	}
	fmt.Fprintln(w)
	if f.Substituted > 0 {
		fmt.Fprintf(w, "        %8d substituted, because they are in RAM\n", f.Substituted)
	}
	fmt.Fprintf(w, "drive   %8s read", humanize.IBytes(uint64(f.DriveBytes)))
	if rate, ok := t.drive.hitRate(); ok {
		fmt.Fprintf(w, ", %.1f%% of the uses found their expert in RAM", 100*rate)
	}
	fmt.Fprintln(w)
	if how, _ := t.drive.way(f.ExpertsOpen - f.BySocket); how != "" {
		fmt.Fprintln(w, "mount  ", display.Text(how))
	}
	if kernel.Portable() {
		fmt.Fprintln(w, "note   ", kernelNote())
	}
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func perSecond(n int, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}
