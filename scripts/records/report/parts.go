package report

import (
	"cmp"
	"fmt"
)

// Names of arms, cases and quantities that more than one place knows.
const (
	Ours, Peer, Memory         = "gptoss", "llama.cpp", "memory"
	Best, AVX2                 = "best instructions", "AVX2 alone"
	Speed, Hits, Drive, Stall  = "speed", "hit rate", "drive", "stall"
	Compute, Bound, FromMemory = "computing", "bound", "read"
	DriveSpeed, Least, XBound  = "drive speed", "at best", "x bound"
	All                        = "100%"
)

// Part is one part of the measuring: how its records are drawn. A table has a row for
// each case.
type Part struct {
	Name    string
	Head    string // of the column of cases
	Columns []Column
}

// Column draws one cell of each case, "" where the record has nothing for it.
type Column struct {
	Title string
	Cell  func(r *Record, name string) string
}

// Parts that are drawn, in the order of docs/benchmarks.md.
var Parts = []*Part{
	{"memory", "threads", []Column{runs("read, GB/s", Memory, FromMemory)}},
	{"kernels", "kernel", []Column{
		fromMemory("AVX-512, GB/s", "avx512"), shareOfMemory("avx512"),
		fromMemory("AVX2, GB/s", "avx2"), shareOfMemory("avx2"),
		runs("64 vectors, one thread: AVX-512, GMAC/s", "avx512", Compute), runs("AVX2, GMAC/s", "avx2", Compute),
	}},
	{"mount", "measure", []Column{
		runs("mount, ms", "mount", Speed), runs("limit, ms", "limit", Speed), ratio("share", "limit", "mount", Speed),
	}},
	{"decode", "decode, all in RAM", []Column{
		runs("gptoss, tok/s", Ours, Speed), runs("llama.cpp, tok/s", Peer, Speed), ratio("ratio", Ours, Peer, Speed),
		targets(map[string]string{Best: "1.6x", AVX2: "1.4x"}),
		{"weights read, GB/s", weightsRead}, {"of the memory's", weightsOfMemory}, targets(map[string]string{Best: "0.80", AVX2: "0.80"}),
	}},
	{"prefill", "prompt of 512", []Column{
		runs("gptoss, tok/s", Ours, Speed), runs("llama.cpp, tok/s", Peer, Speed), ratio("ratio", Ours, Peer, Speed),
		targets(map[string]string{Best: "10x", AVX2: "5x"}),
	}},
	{"room", "room for experts", []Column{
		runs("gptoss on the mount, tok/s", Ours, Speed), runs("llama.cpp, tok/s", Peer, Speed), ratio("ratio", Ours, Peer, Speed),
		targets(map[string]string{"75%": "2.5x", "50%": "3.5x", "25%": "5x"}),
		runs("hit rate", Ours, Hits), runs("MB a token", Ours, Drive), runs("stall a token, ms", Ours, Stall),
	}},
	{"recorded", "recording", []Column{
		runs("tok/s", Ours, Speed), runs("hit rate", Ours, Hits), runs("MB a token", Ours, Drive), runs("stall, ms", Ours, Stall),
		runs("computing, ms", Ours, Compute), runs("drive alone, ms", Ours, Bound),
		runs("drive, GB/s", Ours, DriveSpeed), runs("at best, ms", Ours, Least), runs("a token to that", Ours, XBound),
		targets(map[string]string{"*": "1.25x"}),
	}},
	{"streams", "texts", []Column{
		runs("all in RAM: gptoss, tok/s", Ours, Speed), againstOne("against one", Ours, Speed), targets(map[string]string{"2": "1.3x", "4": "1.7x", "8": "2.2x"}),
		runs("llama.cpp, tok/s", Peer, Speed), againstOne("against one", Peer, Speed),
		runs("room for 50%: gptoss, tok/s", Ours, "speed at 50%"), againstOne("against one", Ours, "speed at 50%"), targets(map[string]string{"2": "1.3x", "4": "1.6x", "8": "1.9x"}),
	}},
	{"plain", "mount, and way to the experts", []Column{runs("tok/s", Ours, Speed), {"root with the socket to this", rootToThis}}},
	{"stats", "opens", []Column{runs("median, us", "mount", "open"), runs("p99, us", "mount", "p99 of opens")}},
	{"start", "start", []Column{runs("whole process less the prompt, s", Ours, "start"), runs("of it loading, s", Ours, "loading"), runs("prompt, s", Ours, "prompt")}},
	{"120b", "routing", []Column{
		runs("tok/s as measured", Ours, Speed), {"of all layers", fullSpeed}, runs("hit rate", Ours, Hits),
		{"MB a token of all layers", full(Drive)}, {"stall a token of all layers, ms", full(Stall)}, {"computing, ms", full(Compute)},
		runs("drive, GB/s", Ours, DriveSpeed), runs("a token to the bound", Ours, XBound),
	}},
}

func partNamed(name string) *Part {
	for _, p := range Parts {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// runs draws all runs of a quantity, sorted, the median bold.
func runs(title, arm, quantity string) Column {
	return Column{title, func(r *Record, name string) string { return cell(r.Find(name, arm, quantity)) }}
}

// ratio draws how many times the first arm's median is the second's.
func ratio(title, arm, other, quantity string) Column {
	return Column{title, func(r *Record, name string) string {
		a, b := r.Find(name, arm, quantity), r.Find(name, other, quantity)
		if a == nil || b == nil || b.Median == 0 {
			return ""
		}
		return times(a.Median / b.Median)
	}}
}

func times(x float64) string {
	if x >= 10 {
		return fmt.Sprintf("%.1fx", x)
	}
	return fmt.Sprintf("%.2fx", x)
}

// target is the title of columns of targets.
const target = "target"

// targets draws what the column before was aimed at; * is every case.
func targets(by map[string]string) Column {
	return Column{target, func(_ *Record, name string) string {
		if t, ok := by["*"]; ok {
			return t
		}
		return by[name]
	}}
}

// fromMemory draws at what speed a kernel reads weights, and of the plain read, which
// no kernel makes, the read itself.
func fromMemory(title, arm string) Column {
	return Column{title, func(r *Record, name string) string {
		return cell(cmp.Or(r.Find(name, arm, FromMemory), r.Find(name, Memory, FromMemory)))
	}}
}

// shareOfMemory draws a kernel's speed beside that of a plain read by two threads.
func shareOfMemory(arm string) Column {
	return Column{"of memory", func(r *Record, name string) string {
		return share(r.Find(name, arm, FromMemory), r.Find("plain read", Memory, FromMemory))
	}}
}

func share(a, b *Measure) string {
	if a == nil || b == nil || b.Median == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", a.Median/b.Median)
}

// againstOne draws a speed beside that of one text.
func againstOne(title, arm, quantity string) Column {
	return Column{title, func(r *Record, name string) string {
		a, one := r.Find(name, arm, quantity), r.Find("1", arm, quantity)
		if a == nil || one == nil || name == "1" {
			return ""
		}
		return times(a.Median / one.Median)
	}}
}

// weightsRead are the bytes of a token times tokens per second, in GB/s.
func weightsRead(r *Record, name string) string {
	m := r.Find(name, Ours, Speed)
	if m == nil || r.Model == nil {
		return ""
	}
	return number(m.Median * float64(r.Model.TokenBytes) / 1e9)
}

func weightsOfMemory(r *Record, name string) string {
	m := r.Find(name, Ours, Speed)
	if m == nil || r.Model == nil {
		return ""
	}
	return share(&Measure{Median: m.Median * float64(r.Model.TokenBytes) / 1e9}, r.Find(name, Memory, FromMemory))
}

func rootToThis(r *Record, name string) string {
	a, b := r.Find("root, socket", Ours, Speed), r.Find(name, Ours, Speed)
	if a == nil || b == nil || a == b {
		return ""
	}
	return times(a.Median / b.Median)
}

// fullSpeed scales tokens per second from the layers that were run to all.
func fullSpeed(r *Record, name string) string {
	m := r.Find(name, Ours, Speed)
	if m == nil {
		return ""
	}
	return number(m.Median * r.Model.Part())
}

// full scales what a token takes.
func full(quantity string) func(*Record, string) string {
	return func(r *Record, name string) string {
		m := r.Find(name, Ours, quantity)
		if m == nil {
			return ""
		}
		return number(m.Median / r.Model.Part())
	}
}
