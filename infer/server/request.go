package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"expertfs/infer/sample"
)

// common are the fields of both kinds of completion requests. Pointers tell
// fields that were left out from those that are zero.
type common struct {
	Model         string   `json:"model"`
	MaxTokens     *int     `json:"max_tokens"`
	Temperature   *float64 `json:"temperature"`
	TopP          *float64 `json:"top_p"`
	TopK          *int     `json:"top_k"` // beyond OpenAI's API, as is min_p
	MinP          *float64 `json:"min_p"`
	Seed          *uint64  `json:"seed"`
	Stop          stops    `json:"stop"`
	Stream        bool     `json:"stream"`
	StreamOptions *struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
	User string `json:"user"` // a label for the operator's use; has no effect

	// Accepted only with the values that change nothing.
	N                *int            `json:"n"`
	FrequencyPenalty *float64        `json:"frequency_penalty"`
	PresencePenalty  *float64        `json:"presence_penalty"`
	LogitBias        json.RawMessage `json:"logit_bias"`
	Logprobs         json.RawMessage `json:"logprobs"`
}

// check refuses values that are out of range or not supported.
func (c *common) check() error {
	if err := checkMaxTokens("max_tokens", c.MaxTokens); err != nil {
		return err
	}
	switch {
	case c.StreamOptions != nil && !c.Stream:
		return badRequest("stream_options", "stream_options is only allowed with stream")
	case c.N != nil && *c.N != 1:
		return unsupported("n")
	case c.FrequencyPenalty != nil && *c.FrequencyPenalty != 0:
		return unsupported("frequency_penalty")
	case c.PresencePenalty != nil && *c.PresencePenalty != 0:
		return unsupported("presence_penalty")
	case !isNeutral(c.LogitBias, "{}"):
		return unsupported("logit_bias")
	case !isNeutral(c.Logprobs, "false"):
		return unsupported("logprobs")
	}
	for _, s := range c.Stop {
		if s == "" {
			return badRequest("stop", "stop has an empty string")
		}
	}
	return c.checkSampling()
}

func checkMaxTokens(name string, n *int) error {
	if n != nil && *n < 1 {
		return badRequest(name, "%s %d: must be 1 or more", name, *n)
	}
	return nil
}

// checkSampling checks one field after the other, so that it knows which is out
// of range.
func (c *common) checkSampling() error {
	p := c.sampling(0)
	for _, field := range []struct {
		name  string
		alone sample.Params
	}{
		{"temperature", sample.Params{Temp: p.Temp}},
		{"top_p", sample.Params{TopP: p.TopP}},
		{"top_k", sample.Params{TopK: p.TopK}},
		{"min_p", sample.Params{MinP: p.MinP}},
	} {
		if err := field.alone.Check(); err != nil {
			return badRequest(field.name, "%v", err)
		}
	}
	return nil
}

// isNeutral tells whether an unsupported field was left out, is null, or has
// a value that asks for nothing.
func isNeutral(value json.RawMessage, neutral ...string) bool {
	if value == nil {
		return true
	}
	var text bytes.Buffer
	_ = json.Compact(&text, value) // cannot fail: it was decoded as JSON
	return text.String() == "null" || slices.Contains(neutral, text.String())
}

// sampling returns the parameters for choosing tokens. The seed given is used
// when the request has none.
func (c *common) sampling(seed uint64) sample.Params {
	return sample.Params{
		Temp: or(c.Temperature, 1),
		TopP: or(c.TopP, 1),
		TopK: or(c.TopK, 0),
		MinP: or(c.MinP, 0),
		Seed: or(c.Seed, seed),
	}
}

// or returns the value of a field, or another where it was left out.
func or[T any](field *T, otherwise T) T {
	if field == nil {
		return otherwise
	}
	return *field
}

// stops is one string or a list of strings.
type stops []string

func (s *stops) UnmarshalJSON(data []byte) error {
	if data[0] == '"' {
		*s = make(stops, 1)
		return json.Unmarshal(data, &(*s)[0])
	}
	return json.Unmarshal(data, (*[]string)(s))
}

// maxBody is the most bytes that a request may have.
const maxBody = 8 << 20

// decode reads the body of a request into v and refuses fields that v lacks.
func (s *Server) decode(w http.ResponseWriter, r *http.Request, v any) error {
	control := http.NewResponseController(w)
	if err := control.SetReadDeadline(time.Now().Add(s.Patience)); err != nil {
		return err
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("data after the JSON object")
		}
	}
	if err == nil {
		// From here on the server only looks whether the client is still there. After
		// an error it reads what is left of the body, and the deadline stays.
		return control.SetReadDeadline(time.Time{})
	}
	var api *apiError
	var tooLarge *http.MaxBytesError
	var wrongType *json.UnmarshalTypeError
	switch {
	case errors.As(err, &api):
		return api
	case errors.Is(err, os.ErrDeadlineExceeded):
		e := badRequest("", "the request did not arrive within %v", s.Patience)
		e.status = http.StatusRequestTimeout
		return e
	case errors.As(err, &tooLarge):
		e := badRequest("", "the request has more than %d bytes", tooLarge.Limit)
		e.status = http.StatusRequestEntityTooLarge
		return e
	case errors.As(err, &wrongType):
		field := strings.TrimPrefix(wrongType.Field, "common.") // an embedded struct
		if field == "" {
			return badRequest("", "the request must be a JSON object, and not a %s", wrongType.Value)
		}
		return badRequest(field, "%s: cannot be a %s", field, wrongType.Value)
	}
	// The decoder has no type of its own for this error.
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return unsupported(strings.Trim(name, `"`))
	}
	return badRequest("", "the request is not valid JSON: %v", err)
}

// checkModel refuses a request for a model that is not the one served.
func (s *Server) checkModel(name string) error {
	if name == "" || name == s.Model {
		return nil
	}
	e := badRequest("model", "the model %q does not exist: this server has %q", name, s.Model)
	e.status = http.StatusNotFound
	return e.withCode("model_not_found")
}
