// Package grammar keeps a model's text inside a formal language: JSON, the
// JSON that a schema describes, or what a GBNF grammar derives.
//
// Before each token Mask says which tokens of the vocabulary may follow;
// after it Advance moves on. Forced gives bytes that follow by necessity, so
// that no token has to be sampled for them.
//
// # From source to automaton
//
//	JSONSchema, JSONObject, GBNF -> rules of expressions (expr.go)
//	  -> one finite automaton of bytes and calls for each rule (build.go)
//	  -> Automaton: a pushdown automaton, made deterministic as it runs
//
// A Grammar is the second line: immutable, free of the vocabulary. Bytes are
// the alphabet; characters are spelled out in UTF-8, so that only valid UTF-8
// is derived, and a token may end within a character.
//
// A rule's automaton is nondeterministic. A *local* (local.go) is a set of its
// states that the same text may have led to, as in the subset construction. A
// *stack* (stack.go) is a set of frames: a local, and the stack beneath to
// which its rule returns. The top stack says all that the text so far has left
// open. Locals and stacks are immutable, shared, and equal exactly when their
// pointers are; a step from a stack by a byte is computed once. A call that
// nothing follows needs no frame, so that right recursion takes no depth.
//
// # Masks
//
// A Vocabulary is tries of the tokens in preorder (vocab.go). Walking one with
// the automaton's steps gives the mask of a stack. The walk is shared as far
// as it does not depend on what lies beneath (mask.go): for a local alone it is
// done once and gives the tokens that end within the local's rule, and the
// nodes of the trie at which the rule may return; only from these nodes the
// walk goes on with the stack beneath. So all strings of a schema share one
// walk, whatever follows each of them.
//
// Masks are kept by stack as well; those of locals whose rule calls no other are
// kept in the Vocabulary, for all automata (share.go). Counts that are further
// from their bounds than a token is long have one mask (far.go), and so have
// states of a pattern that no token tells apart (twins.go); tokens are divided by
// length for that.
//
// # Bounds
//
// Sources come from clients. The size of a source, the depth of its nesting
// and the number of states are limited, with errors that say which. What an
// operation of an Automaton may compute is limited too (limits.go): a text that
// would need more is not followed further, and Advance gives ErrComplex. An
// automaton forgets what it has computed when that takes too much memory; States
// stay valid.
//
// # Concurrency
//
// A Grammar is immutable, and a Vocabulary but for masks that it shares. An
// Automaton may be used by several goroutines and texts at once and is best kept
// for later texts with the same grammar. A State is a value that costs nothing to copy, so a text may be
// tried and taken back. A Matcher follows one text and has one user.
package grammar
