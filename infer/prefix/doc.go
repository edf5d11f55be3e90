// Package prefix keeps what was computed of texts, so that no beginning of a text
// is computed twice: not by the next turn of a conversation, not by another client
// with the same preamble, not after a restart.
//
// # Data
//
// A Store is a tree of segments (tree.go). A segment is some positions of a text,
// the tokens there, and their infer.State: keys and values, and at its end the
// windows of the model's sliding layers, so that a text can go on there. A segment
// begins where its parent reaches, mostly at the parent's end. Segments are only
// ever added and evicted; a text that leaves another in the middle of a segment
// begins a segment of its own where the last window is.
//
// Where segments end is what decides how much is computed again (plan.go): at the
// beginning of each message, at the end of each prompt and turn, and every 512
// tokens between. Segments as short as a window lack nothing, and a text can leave
// them anywhere.
//
// # Tiers
//
// States share the memory of the sessions that they come from and go to. Those used
// last stay in RAM, within a budget. All are written to a folder behind the answer,
// by one goroutine (writer.go), a file for each segment (file.go), within a budget
// for all models (folder.go). Files lie in a folder for each model, numerics and
// kind of keys and values, since States are of use to nobody else.
//
// Several processes may share the folder. There is no lock: a file appears whole by
// a rename, its name is a hash of its text, so that who writes it again writes the
// same, and a file that is gone is a segment that is not there. A file that is torn
// or foreign is removed. Nothing is synced: what a power failure tears the
// checksums find.
//
// # Use
//
// A Text stands between a session and the Store: Begin restores what is known of a
// prompt, then the session computes the rest, in whatever batches, and the Text
// takes segments as they come; Keep takes the end of a turn. What is computed after
// Begin is byte for byte what would have been computed without it.
package prefix
