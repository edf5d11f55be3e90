// Package plan tells what to expect of a model on a machine: how many of its experts
// fit, how many uses they serve, what has to be read for a token, and how many tokens a
// second memory and drive allow. Each figure says where it comes from.
package plan

import "slices"

// Machine is what a plan is made for.
type Machine struct {
	Memory int64 // bytes that this process may use, control groups included
	Free   int64 // of them, what nobody else uses now

	MemorySpeed float64 // bytes a second that all threads read
	DriveSpeed  float64 // bytes a second past the page cache; 0: not known
}

// Model is what is to run, in bytes.
type Model struct {
	Experts int64 // all of them
	Token   int64 // the experts that a token uses
	Dense   int64 // the dense weights as a reader computes with them, in 8 bits
	Least   int64 // the least budget that a mount takes
}

// Row is what to expect at one budget.
type Row struct {
	Budget  int64   `json:"budget"`       // of experts in RAM
	Share   float64 `json:"share"`        // of all experts
	HitRate float64 `json:"hit_rate"`     // measured on recorded routing of gpt-oss-20b
	Read    float64 `json:"token_read"`   // bytes from the drive for a token
	Least   float64 `json:"least_tokens"` // tokens a second if reading and computing take turns; 0: not known
	Most    float64 `json:"most_tokens"`  // and if they overlap wholly
	Fits    bool    `json:"fits"`         // into what is free now
}

// Efficiency is what share of the memory's speed decoding reaches when everything is
// in RAM: measured, see docs/benchmarks.md.
const Efficiency = 0.8

// curve is the hit rate of the default policy by the share of experts in RAM, on
// recorded routing of gpt-oss-20b; docs/policies.md has the table.
var curve = []struct{ share, hits float64 }{
	{0, 0}, {0.0625, 0.320}, {0.125, 0.519}, {0.25, 0.734}, {0.375, 0.860}, {0.5, 0.934}, {0.75, 0.992}, {0.875, 0.998}, {1, 1},
}

// HitRate returns the share of uses that find their expert in RAM where a share of
// all experts is.
func HitRate(share float64) float64 {
	i := slices.IndexFunc(curve, func(p struct{ share, hits float64 }) bool { return p.share >= share })
	switch {
	case i < 0:
		return 1
	case i == 0:
		return 0
	}
	a, b := curve[i-1], curve[i]
	return a.hits + (b.hits-a.hits)*(share-a.share)/(b.share-a.share)
}

// Expect tells what a budget gives.
func Expect(m Machine, model Model, budget int64) Row {
	share := min(1, float64(budget)/float64(model.Experts))
	r := Row{Budget: budget, Share: share, HitRate: HitRate(share), Fits: budget+model.Dense <= m.Free}
	r.Read = (1 - r.HitRate) * float64(model.Token)
	compute := float64(model.Token+model.Dense) / (m.MemorySpeed * Efficiency)
	switch {
	case r.Read == 0:
		r.Least, r.Most = 1/compute, 1/compute
	case m.DriveSpeed > 0:
		read := r.Read / m.DriveSpeed
		r.Least, r.Most = 1/(compute+read), 1/max(compute, read)
	}
	return r
}

// Table is what shares of the experts give, and the budget proposed, which is marked
// by being among them.
func Table(m Machine, model Model, proposed int64) []Row {
	budgets := []int64{proposed}
	for _, share := range []float64{0.125, 0.25, 0.5, 0.75, 1} {
		if b := int64(share * float64(model.Experts)); b >= model.Least && !(share == 1 && proposed >= b) {
			budgets = append(budgets, b)
		}
	}
	slices.Sort(budgets)
	var rows []Row
	for _, b := range slices.Compact(budgets) {
		rows = append(rows, Expect(m, model, b))
	}
	return rows
}
