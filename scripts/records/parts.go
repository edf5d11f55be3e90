package main

import (
	"context"
	"time"

	"expertfs/scripts/records/report"
)

// part is one part of the measuring.
type part struct {
	name   string
	what   string
	layers int // of the model where none are asked for, 0 for no model
	of     int // layers of the real model
	run    func(context.Context, *session) error

	// fixed, round and layer estimate the time in seconds: once, for each round, and
	// for each round and layer.
	fixed, round, layer float64
}

func (p *part) estimate(layers, rounds int) time.Duration {
	return time.Duration((p.fixed + float64(rounds)*(p.round+p.layer*float64(layers))) * float64(time.Second))
}

const quarter = 6 // layers of 20b: 3 GB

// parts in the order in which they are measured when all are.
var parts = []part{
	{name: "memory", what: "reading memory with one thread and two", run: measureMemory, fixed: 8, round: 3},
	{name: "kernels", what: "matrix kernels beside a plain read of memory", run: measureKernels, fixed: 10, round: 16},
	{name: "decode", what: "decode with all in RAM, beside llama.cpp and memory's speed", layers: quarter, of: 24, run: measureDecode, fixed: 10, round: 8, layer: 1.8},
	{name: "prefill", what: "prompt of 512, beside llama.cpp", layers: quarter, of: 24, run: measurePrefill, fixed: 5, round: 5, layer: 3.5},
	{name: "room", what: "decode with room for 75, 50, 25%, beside llama.cpp under the same limit", layers: quarter, of: 24, run: measureRoom, fixed: 5, round: 15, layer: 9},
	{name: "recorded", what: "recorded routing with room for 25%, beside the longer of drive and computing", layers: quarter, of: 24, run: measureRecorded, fixed: 5, round: 8, layer: 2.6},
	{name: "streams", what: "1, 2, 4, 8 texts at a time, beside llama.cpp", layers: quarter, of: 24, run: measureStreams, fixed: 5, round: 10, layer: 9},
	{name: "plain", what: "a plain user's mount beside root's", layers: quarter, of: 24, run: measurePlain, fixed: 2, round: 8, layer: 3},
	{name: "stats", what: "opens while stats is read", layers: quarter, of: 24, run: measureStats, fixed: 8, round: 9},
	{name: "start", what: "from the start of gptoss to the first token", layers: quarter, of: 24, run: measureStart, fixed: 8, round: 1},
	{name: "mount", what: "expertfs bench: opens and misses beside their limits", layers: quarter, of: 24, run: measureMount, fixed: 10, round: 30},
	{name: "120b", what: "gpt-oss-120b with all RAM that is left; its model takes 1.8 GB for each layer, and 3 s of each to make", layers: 11, of: 36, run: measure120b, fixed: 10, round: 12, layer: 2.6},
}

// arm is an engine with a set of instructions.
type arm struct {
	name   string   // of the case
	env    []string // for gptoss
	folder string   // of llama.cpp
}

// arms are the two comparisons: each engine's best, and both with AVX2 alone.
func (s *session) arms() []arm {
	list := []arm{{report.Best, nil, s.llama}}
	if s.machine.Instructions == "avx512" {
		list = append(list, arm{report.AVX2, []string{"EXPERTFS_KERNEL=avx2"}, s.llamaAVX2})
	}
	return list
}

// tellPeer notes which llama.cpp is compared with, or that none is.
func (s *session) tellPeer() {
	if s.rec.Peer = s.peer; s.llama == "" {
		s.rec.Notes = append(s.rec.Notes, "Without llama.cpp: LLAMA was not given")
	}
}
