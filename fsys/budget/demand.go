package budget

import (
	"fmt"
	"os"
	"strings"

	"github.com/dustin/go-humanize"
)

// Reserve is what a server takes beside the files that it keeps in RAM: its heap,
// its buffers for reads, and what the kernel charges it for both.
const Reserve = 64 << 20

// Demand is what a mount may come to hold in RAM, in bytes.
type Demand struct {
	Budget  int64 // of experts
	Experts int64 // all of the model's
	Dense   int64 // dense files, beside the budget
}

// tier is what the experts can take: no more than there is of them.
func (d Demand) tier() int64 { return min(d.Budget, d.Experts) }

// Refuse says, with the arithmetic and the remedy, why a server with this demand
// would be killed when it has loaded what it may: its control group has no room.
// nil is no reason.
func (d Demand) Refuse() error {
	m, err := readMemory(os.DirFS("/"))
	if err != nil {
		return nil // nothing is known
	}
	return d.refuse(m)
}

func (d Demand) refuse(m memory) error {
	if m.group >= m.total || d.tier()+Reserve <= m.group {
		return nil
	}
	remedy := "allow it more"
	if room := m.group - Reserve; room > 0 {
		remedy = fmt.Sprintf("a budget of %dMiB fits", room/mebi)
	}
	return fmt.Errorf("%s of experts and %s for the server are more than the %s that its control group may use, which would have it killed: %s",
		size(d.tier()), size(Reserve), size(m.group), remedy)
}

// Doubt says so when more may be held than this process may use; "" is no doubt.
func (d Demand) Doubt() string {
	m, err := readMemory(os.DirFS("/"))
	if err != nil {
		return ""
	}
	return d.doubt(m)
}

func (d Demand) doubt(m memory) string {
	limit := m.limit()
	switch {
	case d.tier()+d.Dense+Reserve > limit:
		return fmt.Sprintf("%s of experts, %s of dense files and %s for the server are more than the %s of memory that this process may use: the system may run out of memory before all of it is in RAM",
			size(d.tier()), size(d.Dense), size(Reserve), size(limit))
	case d.Budget > limit:
		return fmt.Sprintf("the RAM budget of %s is above the %s of memory that this process may use, and bounds nothing",
			size(d.Budget), size(limit))
	}
	return ""
}

// Left is what of the memory that this process may use is left for dense files
// beside the experts and the server, below 0 when that is too much already.
func (d Demand) Left() (int64, error) {
	m, err := readMemory(os.DirFS("/"))
	return m.limit() - d.tier() - Reserve, err
}

// Other is a mount beside this one.
type Other struct {
	Point string
	Demand
}

// Crowd says so when this mount and others together may hold more than the machine
// has; "" when they may not, or when this one is too small to matter.
func (d Demand) Crowd(others []Other) string {
	m, err := readMemory(os.DirFS("/"))
	if err != nil {
		return ""
	}
	return d.crowd(m, others)
}

func (d Demand) crowd(m memory, others []Other) string {
	const matters = 100 // one part in so many
	sum := d.tier() + d.Dense + Reserve
	var names []string
	for _, o := range others {
		sum += o.tier() + o.Dense + Reserve
		names = append(names, fmt.Sprintf("%s %s", o.Point, size(o.tier())))
	}
	if sum <= m.total || len(others) == 0 || d.tier() < m.total/matters {
		return ""
	}
	return fmt.Sprintf("with the experts of other mounts (%s), dense files and servers, all mounts may take %s, and the machine has %s: lower a budget by writing to .expertfs/ram",
		strings.Join(names, ", "), size(sum), size(m.total))
}

func size(n int64) string { return humanize.IBytes(uint64(max(n, 0))) }
