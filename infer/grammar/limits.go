package grammar

import "errors"

// Limits of what a client's source may ask for. They are far beyond grammars
// and schemas in use, and keep the worst one harmless.
const (
	maxSource  = 1 << 20 // bytes of a schema or grammar
	maxNesting = 200     // parentheses of a grammar, levels of a schema
	maxStates  = 1 << 18 // states of all rules
	maxRules   = 1 << 14
	maxCount   = 1 << 16 // bound of a counted repetition

	maxFrames = 512     // frames of one stack
	maxDepth  = 4096    // stacks beneath one another
	maxWork   = 1 << 21 // frames looked at in one operation
	maxStep   = 1 << 15 // frames looked at for one byte
	maxMemory = 8 << 20 // bytes that an automaton keeps, about
	maxForced = 4096    // bytes that Forced returns at most
)

// ErrComplex is returned by Advance where the grammar allows so many readings
// of the text, or nests so deep, that it cannot be followed.
var ErrComplex = errors.New("the grammar cannot be followed here: it is too ambiguous or nested too deep")
