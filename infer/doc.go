// Package infer runs GPT-OSS models whose experts are files.
//
// An Engine holds what all texts share: the dense weights, the threads and the
// experts that are mapped. A Session is one text: the keys and values of the
// tokens so far. Append runs the model over more tokens; Logits gives the
// prediction after the last; Generate goes on by itself. Engine.Run adds tokens to
// several sessions in one batch, so that weights are read once for all of them, and
// a Batch can be left between two stages while another one is computed.
//
// # A token's way
//
// Tokens are computed in batches, one token being a batch too: a batch is pieces
// of texts (batch.go, forward.go). The residual stream starts as the tokens'
// embeddings (embed.go). Each layer (layer.go) has two blocks, and both add to the
// stream. The first is attention over the keys and values of each piece's session
// (attention.go, rope.go, kvcache.go). The second is a mixture of experts (moe.go):
// the router chooses a few for each token (router.go, routes.go), and the mlp
// computes those (mlp.go). The head makes logits of the stream (unembed.go), for the
// tokens that somebody asked for.
//
// A block is a struct of weights with a method forward, whose arguments are all
// that it reads and writes (vectors.go). What it works in meanwhile is memory of
// its kind, which the layers share and in which nothing outlives a forward. All
// loops run on one pool of threads (pool.go, linear.go). A fault in a mapped
// weight is a panic up to the nearest guard, which makes it the batch's error
// (fault.go).
//
// # Experts
//
// An expert's file is opened when the router has chosen it, never before, and
// what has arrived is computed while the rest loads. Package experts does that; what
// it is handed beside the router's choice is which experts the next layers will
// probably choose (lookahead.go). On a plain copy of a mount an expert is a file
// like any other.
//
// # What the program sets
//
// Two settings belong to the whole process, so infer leaves them to the program;
// its speed depends on them, its results do not.
//
// GOMAXPROCS should be some 8 above the threads that compute. A goroutine that
// opens an expert waits in a system call, and the runtime leaves it its processor
// for a while; with as many processors as threads a model on a mount short of RAM
// lost a fifth of its speed.
//
// The garbage collector's percentage (debug.SetGCPercent) should be low, 20 for
// example. What an engine allocates is large buffers that live long, and at 100
// percent as much memory again, which the experts need, is set aside for garbage.
//
// # Results
//
// The results are the same, bit by bit: the order in which sums are formed
// depends neither on which expert arrives first nor on the number of threads, the
// size of a batch, or what other texts are computed in it.
package infer
