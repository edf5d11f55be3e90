// Package harmony writes and reads conversations in the form that GPT-OSS was
// trained on.
//
// A message is
//
//	<|start|>role[:name][ to=recipient][<|channel|>channel][ content type]<|message|>content<|end|>
//
// where the names in <| |> are special tokens. The model answers in several
// messages: its reasoning goes to the channel analysis, calls of tools and
// remarks about them go to commentary, and what the user is to read goes to
// final.
//
// Conversations are rendered to token ids and never to one string: every text
// is encoded as ordinary text, so that a user who types "<|end|>" sends these
// seven characters and ends nothing. Likewise the Parser works on ids.
package harmony
