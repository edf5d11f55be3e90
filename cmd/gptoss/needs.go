package main

import (
	"net"
	"strings"

	"expertfs/cmd/internal/usage"
)

func (f *prefixFlags) needs() []usage.Need {
	dir, _ := f.folder()
	return []usage.Need{{Flag: "prefix-size", Met: dir != "", Want: "a folder: --prefix-dir is none"}}
}

func (f *samplingFlags) needs() []usage.Need {
	const lots = "--temp above 0"
	return []usage.Need{
		{Flag: "top-k", Met: f.random(), Want: lots},
		{Flag: "top-p", Met: f.random(), Want: lots},
		{Flag: "min-p", Met: f.random(), Want: lots},
		{Flag: "seed", Met: f.random(), Want: lots},
	}
}

func (o *runOptions) needs() []usage.Need {
	return []usage.Need{
		{Flag: "special", Met: o.ids == "", Want: "a text: --ids gives tokens"},
		{Flag: "ignore-eos", Met: o.ids == "", Want: "a text: with --ids no token ends it"},
	}
}

// needs of the flags that say what a conversation begins with; begins tells whether it
// begins with a system message.
func (f *conversationFlags) needs(begins bool) []usage.Need {
	const message = "a system message that tells the model (--system-message)"
	return []usage.Need{
		{Flag: "date", Met: begins, Want: message},
		{Flag: "reasoning-effort", Met: begins, Want: message},
	}
}

// scoreNeeds are those of score that scores from a position on, with experts in RAM
// preferred or not, or compares margins.
func scoreNeeds(from int, prefers, compares bool) []usage.Need {
	store := "--from N"
	if compares {
		store = "--from N, which does not go with --margins"
	}
	stores := from > 0 && !compares
	return []usage.Need{
		{Flag: "prefix-dir", Met: stores, Want: store},
		{Flag: "prefix-size", Met: stores, Want: store},
		{Flag: "prefix-ram", Met: stores, Want: store},
		{Flag: "batch-size", Met: !prefers, Want: "batches: --prefer-resident computes tokens one at a time"},
	}
}

func (o *benchOptions) needs() []usage.Need {
	one := len(o.parallel) == 0
	return []usage.Need{
		{Flag: "repetitions", Met: one, Want: "tests that are repeated: those of --n-parallel are run once"},
		{Flag: "drive-speed", Met: one, Want: "a bound: tests of --n-parallel have none"},
		{Flag: "per-layer", Met: one && o.format == "md", Want: "--output md, and not with --n-parallel"},
	}
}

func (o *serveOptions) needs() []usage.Need {
	ip := net.ParseIP(strings.Trim(o.host, "[]"))
	return []usage.Need{
		{Flag: "allow-host", Met: ip == nil || ip.IsLoopback() || ip.IsUnspecified(), Want: "a --host that loopback addresses reach: of others no name is checked"},
	}
}
