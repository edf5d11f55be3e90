// Package format says what a format of checkpoints is: it recognises its own,
// opens them, and tells the configuration and where each tensor of the model
// lies. A new format is a package that implements [Format] and [Model], and one
// line in the list of package checkpoint.
//
// What all formats have to give is here too: the tensors of a GPT-OSS model,
// under OpenAI's names, and the list of problems that a damaged checkpoint has.
package format
