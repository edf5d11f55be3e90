package server

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"expertfs/infer/sample"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// sampling are the fields of requests that say how tokens are chosen. Pointers
// tell fields that were left out from those that are zero.
type sampling struct {
	Temperature      *float64 `json:"temperature"`
	TopP             *float64 `json:"top_p"`
	TopK             *integer `json:"top_k"` // beyond OpenAI's API, as is min_p
	MinP             *float64 `json:"min_p"`
	Seed             *seed    `json:"seed"`
	FrequencyPenalty *float64 `json:"frequency_penalty"`
	PresencePenalty  *float64 `json:"presence_penalty"`
	LogitBias        biases   `json:"logit_bias"`
}

// check refuses values that are out of range, and names the field.
func (p *sampling) check(vocab int) error {
	for _, field := range []struct {
		name  string
		alone sample.Params
	}{
		{"temperature", sample.Params{Temp: or(p.Temperature, 0)}},
		{"top_p", sample.Params{TopP: or(p.TopP, 1)}},
		{"top_k", sample.Params{TopK: p.topK()}},
		{"min_p", sample.Params{MinP: or(p.MinP, 0)}},
	} {
		if err := field.alone.Check(); err != nil {
			_, reason, _ := strings.Cut(err.Error(), " ") // behind the name that flags have
			return badRequest(field.name, "%s %s", field.name, reason)
		}
	}
	for _, field := range []struct {
		name  string
		value *float64
	}{{"frequency_penalty", p.FrequencyPenalty}, {"presence_penalty", p.PresencePenalty}} {
		if v := or(field.value, 0); !(math.Abs(v) <= 2) {
			return badRequest(field.name, "%s %v: must be from -2 to 2", field.name, v)
		}
	}
	for id := range p.LogitBias {
		if id < 0 || id >= vocab {
			return badRequest("logit_bias", "logit_bias: token id %d is outside of the vocabulary (0 to %d)", id, vocab-1)
		}
	}
	return nil
}

// of returns how the tokens of choice i are chosen: each has a seed of its own.
func (p sampling) of(i int) *sampling {
	if p.Seed != nil {
		own := *p.Seed + seed(i)
		p.Seed = &own
	}
	return &p
}

// topK is how many tokens are looked at; 0 is all of them, which some clients
// write as -1.
func (p *sampling) topK() int {
	if k := or(p.TopK, 0); k != -1 {
		return int(k)
	}
	return 0
}

// params returns the parameters for choosing tokens. The seed given is used
// when the request has none. The token that makes up a probability of 0 is the
// most probable one alone.
func (p *sampling) params(otherwise uint64) sample.Params {
	s := sample.Params{
		Temp: or(p.Temperature, 1),
		TopP: or(p.TopP, 1),
		TopK: p.topK(),
		MinP: or(p.MinP, 0),
		Seed: uint64(or(p.Seed, seed(otherwise))),
	}
	if s.TopP == 0 {
		s.TopK = 1
	}
	return s
}

// biases are added to the logits of tokens. They are written as an object, or as
// pairs of id and bias, where false forbids the token.
type biases map[int]float64

func (b *biases) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	*b = make(biases)
	switch d.PeekKind() {
	case 'n':
		*b = nil
		return d.SkipValue()
	case '{':
		if _, err := d.ReadToken(); err != nil {
			return err
		}
		for d.PeekKind() != '}' {
			name, err := d.ReadToken()
			if err != nil {
				return err
			}
			text := name.String()
			var bias float64
			if err := json.UnmarshalDecode(d, &bias); err != nil {
				return err
			}
			if err := b.add(text, bias); err != nil {
				return err
			}
		}
		_, err := d.ReadToken()
		return err
	}
	if d.PeekKind() != '[' {
		return nothingElse(d, "an object of biases by token id, or a list of pairs")
	}
	return readList(d, mostBiases, func() error {
		var pair [2]jsontext.Value
		if err := json.UnmarshalDecode(d, &pair); err != nil {
			return err
		}
		bias, err := strconv.ParseFloat(string(pair[1]), 64)
		if pair[1].Kind() == 'f' {
			bias, err = -100, nil
		}
		if err != nil {
			return fmt.Errorf("%s is not a number", shorten(string(pair[1])))
		}
		if pair[0].Kind() == '"' { // llama-server would bias all tokens of such a text
			return fmt.Errorf("%s is not a token id: POST /tokenize tells those of a text", shorten(string(pair[0])))
		}
		return b.add(string(pair[0]), bias)
	})
}

// add adds the bias of a token, whose id is a text.
func (b *biases) add(text string, bias float64) error {
	id, err := strconv.Atoi(text)
	switch {
	case err != nil:
		return fmt.Errorf("%q is not a token id", shorten(text))
	case !(math.Abs(bias) <= 100):
		return fmt.Errorf("the bias %v of token %d is not from -100 to 100", bias, id)
	case len(*b) == mostBiases:
		return fmt.Errorf("there are more than %d biases", mostBiases)
	}
	(*b)[id] = bias
	return nil
}
