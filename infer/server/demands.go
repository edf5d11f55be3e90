package server

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// demand is a field of other servers that this one does not have and that is not
// without effect: whoever sends it and got any answer would be deceived.
type demand struct {
	instead string   // what does it here, or why nothing does; "": what says which form an answer has
	neutral []string // values that ask for nothing, beside null
}

const noContinuation = "the answer to a conversation is a message of its own; /v1/completions continues a text"

var (
	off  = []string{"false", `""`, `"text"`, `{"type":"text"}`, "{}", "[]"}
	form = demand{neutral: off}
	more = demand{noContinuation, off}

	// inRequests are the demands of requests by name: of vLLM, SGLang and Ollama, and of
	// other endpoints.
	inRequests = map[string]demand{
		"guided_json": form, "guided_regex": form, "guided_choice": form, "guided_grammar": form, "structured_outputs": form,
		"structural_tag": form, "regex": form, "ebnf": form, "format": form, "response_format": form,
		"prompt_logprobs":        {"/v1/completions gives those of the prompt with echo and logprobs", off},
		"continue_final_message": more,
		"add_generation_prompt":  {noContinuation, []string{"true"}},
		"use_beam_search":        {"tokens are chosen one by one", off},
	}

	// inMessages are those of messages: of Mistral, DeepSeek and Moonshot.
	inMessages = map[string]demand{"prefix": more, "partial": more}
)

// refuse returns an error for the first demand among the members that an object at
// a place of the request has beside those of its type. Forms are the fields that say
// which form an answer has.
func refuse(place string, extra unnoticed, demands map[string]demand, forms string) error {
	if len(extra) == 0 {
		return nil
	}
	d := jsontext.NewDecoder(bytes.NewReader(extra), decoding)
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for d.PeekKind() == '"' {
		token, err := d.ReadToken()
		if err != nil {
			return err
		}
		name := token.String()
		value, err := d.ReadValue()
		if err != nil {
			return err
		}
		if what, is := demands[name]; is && !isNeutral(value, what.neutral...) {
			if place != "" {
				name = place + "." + name
			}
			if what.instead == "" {
				what.instead = "the form of an answer is asked for with " + forms
			}
			return badRequest(name, "%s is not supported: %s", name, what.instead).withCode("unsupported_parameter")
		}
	}
	return nil
}
