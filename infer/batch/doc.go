// Package batch computes several texts with one model at a time.
//
// A Scheduler has one goroutine that computes. Whoever goes on with a text calls
// Append from a goroutine of its own, and chooses the next token there when Append
// has returned: no lock is held, and texts are sampled in parallel.
//
// # What is computed when
//
// What is asked for with few tokens is a step: mostly the one token that a text has
// chosen. All steps that are asked for are computed in one batch, in which each
// weight is read and each expert opened once. After a batch its texts are expected
// back, and the next one waits for them, at most an eighth of the last step's time
// from when the first is back. Who comes later is in the batch after that.
//
// What is asked for with many tokens is a prompt. It is cut into chunks, and a chunk
// goes through the stages of the model, of which each layer has two, in turn with
// steps: as many stages as take three quarters of a usual step, one at least, then the
// steps that are due, and so on. A chunk has as many tokens as take about as long in one
// stage, by the longest in a layer of the last chunk, and at most Options.Chunk: a
// text waits about two steps, and less than three. So a prompt has up to three sevenths
// of the machine, and less where its stages do not fill three quarters of a step. The
// texts that run have the rest: between two tokens of one is its own step, and the stages
// of a chunk. Prompts that wait together share the chunks evenly.
//
// A prompt of up to half of a chunk's tokens is brief (brief.go): it does not wait for
// a chunk under way, but for the end of its stage, and is computed whole before the
// chunk goes on. When brief prompts have been computed, those that wait for them have
// as much time before more come.
//
// Tokens of prompts do not ride in the batches of steps: a few of them use as many
// experts as a whole chunk does, and those would be read for each batch again.
//
// Prompts that come at once and begin alike have what they have in common computed by
// the first of them (common.go): the others are in no chunk until the store of prefixes
// has it.
//
// # Errors
//
// A batch of several texts that fails is computed again text by text, so that an
// expert that cannot be read ends only the requests that need it. When the context
// of an Append ends, what waits is given up at once, and a step when all of its texts
// are given up, or at its end. A prompt in a chunk is taken out of it between two
// stages; what the others have computed stays.
//
// # Memory
//
// Texts holds the sessions: those of requests, and idle ones whose beginnings are of
// use to later prompts. It counts the memory of their keys and values. A prompt waits
// until there is room for it, in order of arrival, and idle sessions are dropped for
// it. A text that cannot grow gives its memory up, waits, and is computed anew, while
// the others go on.
package batch
