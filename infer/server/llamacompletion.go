package server

import (
	"net/http"
	"slices"
	"strings"
)

// llamaRequest is the body of POST /completion, which is llama-server's own: a
// completion by other names.
type llamaRequest struct {
	completionRequest
	Probs        *integer `json:"n_probs"`
	ReturnTokens bool     `json:"return_tokens"`
}

// serveLlamaCompletion answers POST /completion. Its prompts may name special
// tokens, as those do that /apply-template gives.
func (s *Server) serveLlamaCompletion(w http.ResponseWriter, r *http.Request) {
	var q llamaRequest
	err := s.decode(w, r, &q)
	if err == nil && (or(q.Probs, 0) < 0 || or(q.Probs, 0) > mostLogprobs) {
		err = badRequest("n_probs", "n_probs %d: must be from 0 to %d", *q.Probs, mostLogprobs)
	}
	if err == nil {
		if or(q.Probs, 0) > 0 {
			q.Logprobs = q.Probs
		}
		q.Echo = false // it has none
		err = s.complete(r.Context(), w, &q.completionRequest, completionKind{names: true, shape: &llamaCompletion{s, &q}})
	}
	if err != nil {
		writeError(w, openAIError, err)
	}
}

// llamaCompletion is the form of answers of /completion: one object for each
// choice, or a list of them; in a stream, one for each piece of text and one with
// stop true at the end of a choice.
type llamaCompletion struct {
	s *Server
	q *llamaRequest
}

// llamaPart is a piece of text in a stream.
type llamaPart struct {
	Index     int         `json:"index"`
	Content   string      `json:"content"`
	Tokens    []int       `json:"tokens"`
	Stop      bool        `json:"stop"`
	Slot      int         `json:"id_slot"`
	Predicted int         `json:"tokens_predicted"`
	Evaluated int         `json:"tokens_evaluated"`
	Probs     []llamaProb `json:"completion_probabilities,omitzero"`
}

// llamaOutput is what a choice has come to.
type llamaOutput struct {
	llamaPart
	Model     string         `json:"model"`
	Settings  map[string]any `json:"generation_settings"`
	Prompt    string         `json:"prompt"`
	NewLine   bool           `json:"has_new_line"`
	Truncated bool           `json:"truncated"`
	StopType  string         `json:"stop_type"`
	Word      string         `json:"stopping_word"`
	Cached    int            `json:"tokens_cached"`
	Timings   *timings       `json:"timings"`
}

// llamaProb is a token and its probability.
type llamaProb struct {
	ID int `json:"id"`
	chatLogprob
	Top []llamaProb `json:"top_logprobs,omitzero"`
}

func (s *Server) llamaProbs(probs []tokenProb) []llamaProb {
	all := make([]llamaProb, len(probs))
	for i, p := range probs {
		all[i] = llamaProb{ID: p.id, chatLogprob: s.chatLogprob(p)}
		if len(p.top) > 0 {
			all[i].Top = s.llamaProbs(p.top)
		}
	}
	return all
}

func (l *llamaCompletion) event(c *completionChoice, text string, why *finish) any {
	if text == "" {
		return nil // the end has an event of its own
	}
	return l.part(c, text, c.unsent())
}

func (l *llamaCompletion) part(c *completionChoice, text string, said []tokenProb) llamaPart {
	said = slices.DeleteFunc(slices.Clone(said), func(t tokenProb) bool { return slices.Contains(l.s.Tokens.StopIDs(), t.id) })
	p := llamaPart{Index: c.index, Content: text, Tokens: []int{}, Predicted: len(c.said), Evaluated: len(c.prompt)}
	for _, t := range said {
		p.Tokens = append(p.Tokens, t.id)
	}
	if c.probs {
		p.Probs = l.s.llamaProbs(said)
	}
	return p
}

func (l *llamaCompletion) ended(c *completionChoice) any { return l.output(c, "", c.unsent()) }

// output is the last object of a choice, with the text that it is to tell of.
func (l *llamaCompletion) output(c *completionChoice, text string, said []tokenProb) llamaOutput {
	o := llamaOutput{
		llamaPart: l.part(c, text, said), Model: l.s.Model, Settings: l.settings(), Prompt: c.echoText(),
		NewLine: strings.Contains(string(c.text), "\n"), StopType: "eos", Word: c.stop.found,
		Cached: c.came.reused, Timings: newTimings(c.came.prompt, c.came),
	}
	o.Stop, o.Predicted = true, c.came.generated
	switch {
	case o.Word != "":
		o.StopType = "word"
	case c.came.why == finishLength:
		o.StopType = "limit"
	}
	return o
}

// settings are how tokens were chosen.
func (l *llamaCompletion) settings() map[string]any {
	q := l.q
	p := q.params(0)
	stops := append([]string{}, q.Stop...)
	return map[string]any{
		"temperature": p.Temp, "top_p": p.TopP, "top_k": p.TopK, "min_p": p.MinP, "seed": q.Seed,
		"frequency_penalty": or(q.FrequencyPenalty, 0), "presence_penalty": or(q.PresencePenalty, 0),
		"n_predict": or(q.NPredict, -1), "n_probs": or(q.Probs, 0), "stop": stops, "stream": q.Stream, "grammar": q.Grammar,
	}
}

func (l *llamaCompletion) whole(a *completionAnswer, _ *job) any {
	all := make([]llamaOutput, len(a.choices))
	for i, c := range a.choices {
		all[i] = l.output(c, string(c.text), c.said)
		if !l.q.ReturnTokens {
			all[i].Tokens = []int{}
		}
	}
	if len(all) == 1 {
		return all[0]
	}
	return all
}

func (l *llamaCompletion) end(*completionAnswer, *job) {}
