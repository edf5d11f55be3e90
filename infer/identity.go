package infer

import (
	"crypto/sha256"
	"fmt"
)

// arithmetic is the version of what is computed. It is to be raised with each
// change that gives other logits for the same weights and options: States that were
// stored before it are of no use then.
const arithmetic = 2

// Identity tells what the bytes of a State depend on beside the tokens: the weights
// and all that rounds or changes the routing. It does not depend on the machine, on
// threads, or on the size of batches and contexts.
func (e *Engine) Identity() (id [16]byte, err error) {
	weights, err := e.folder.Identity()
	if err != nil {
		return id, err
	}
	h := sha256.New()
	fmt.Fprintf(h, "gptoss state 1 arithmetic %d act %s dense %s kv %s blocks %d weights %x",
		arithmetic, e.Act(), e.Dense(), e.KV(), blockLen, weights)
	if e.set.prefer > 0 { // others are not to take what was in RAM for what the router chose
		fmt.Fprintf(h, " prefer-resident %v", e.set.prefer)
	}
	copy(id[:], h.Sum(nil))
	return id, nil
}
