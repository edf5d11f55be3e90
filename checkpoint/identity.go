package checkpoint

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"expertfs/checkpoint/format"
)

// identity hashes the config and the place of every tensor. It must not change
// between versions of the program: files that tell what was used of a model
// (heat) are known by it. So the text that is hashed is written out here, under a
// version of its own; a field that the config gets later is added only where its
// value is not the one that all models had before.
func identity(m format.Model) string {
	h := sha256.New()
	c := m.Config()
	fmt.Fprintf(h, "expertfs checkpoint 1\n")
	fmt.Fprintf(h, "layers %d experts %d topk %d hidden %d intermediate %d vocab %d\n",
		c.Layers, c.Experts, c.TopK, c.Hidden, c.Intermediate, c.Vocab)
	fmt.Fprintf(h, "headdim %d heads %d kvheads %d window %d sliding %t\n",
		c.HeadDim, c.Heads, c.KVHeads, c.Window, c.Sliding)
	fmt.Fprintf(h, "eps %g limit %g alpha %g eos %d\n", c.RMSEps, c.SwigluLimit, c.SwigluAlpha, c.EOS)
	fmt.Fprintf(h, "theta %g factor %g slow %g fast %g context %d\n",
		c.Rope.Theta, c.Rope.Factor, c.Rope.Alpha, c.Rope.Beta, c.Rope.InitialContext)
	if c.Rope.Truncate {
		fmt.Fprintf(h, "truncate\n")
	}
	for t := range m.Stored() {
		fmt.Fprintf(h, "%d %q %d %d\n", t.File, t.Name, t.Off, t.Len)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
