// Package infer runs GPT-OSS models whose experts are files.
//
// An Engine holds what all texts share: the dense weights, the threads and the
// experts that are mapped. A Session is one text: the keys and values of the
// tokens so far. Append runs the model over more tokens; Logits gives the
// prediction after the last; Generate goes on by itself.
//
// # A token's way
//
// Tokens are computed in batches, one token being a batch too (session.go,
// forward.go). The residual stream starts as the tokens' embeddings (embed.go).
// Each layer adds attention over the session's keys and values (attention.go,
// rope.go, kvcache.go), then a mixture of experts: the router chooses (moe.go,
// router.go), the chosen experts are opened and computed (experts.go,
// swiglu.go), and their outputs are added up by weight. The last norm and the
// unembedding make logits of it (unembed.go), for the tokens that somebody asked
// for. All loops run on one pool of threads (pool.go, matmul.go).
//
// # Experts
//
// An expert's file is opened when the router has chosen it, never before, and
// what has arrived is computed while the rest loads. On an expertfs mount that
// open is what the cache sees; experts that stay mapped between uses (keep.go)
// are told to it as hints, and so are guesses about the next layers (predict.go,
// guess.go), while a trial shows that they save time (trial.go). On a plain copy of a mount
// an expert is a file like any other.
//
// The results are the same, bit by bit: the order in which sums are formed
// depends neither on which expert arrives first nor on the number of threads or
// the size of a batch.
package infer
