package server

import (
	"errors"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Bounds of what one request may ask for.
const (
	mostChoices  = 128
	mostPrompts  = 2048
	mostWords    = 256
	mostBiases   = 1 << 16
	mostIDs      = 1 << 18 // of a prompt; twice the longest context
	longestStop  = 4096
	mostLogprobs = 20
)

// lengths are the names under which requests bound the tokens of an answer. All
// but a negative one, which stands for no bound, must be from least on.
type lengths struct {
	MaxTokens           *integer `json:"max_tokens"`
	MaxCompletionTokens *integer `json:"max_completion_tokens"`
	NPredict            *integer `json:"n_predict"` // of llama-server
}

// max returns the bound of the request, or otherwise, and at most room.
func (l *lengths) max(room, otherwise, least int) (int, error) {
	most := otherwise
	for _, field := range []struct {
		name  string
		value *integer
	}{{"n_predict", l.NPredict}, {"max_tokens", l.MaxTokens}, {"max_completion_tokens", l.MaxCompletionTokens}} {
		switch {
		case field.value == nil:
			continue
		case int(*field.value) < least && *field.value != -1:
			return 0, badRequest(field.name, "%s %d: must be %d or more", field.name, *field.value, least)
		case *field.value == -1:
			most = room
		default:
			most = int(*field.value)
		}
	}
	return min(most, room), nil
}

// check refuses stops that cannot be.
func (s words) check(field string) error {
	for _, text := range s {
		if text == "" || len(text) > longestStop {
			return badRequest(field, "%s has an empty string, or one of more than %d bytes", field, longestStop)
		}
	}
	return nil
}

// counted returns how many choices n asks for.
func counted(n *integer) (int, error) {
	if v := or(n, 1); v >= 1 && v <= mostChoices {
		return int(v), nil
	}
	return 0, badRequest("n", "n %d: must be from 1 to %d", *n, mostChoices)
}

// mostEntries bounds the messages, parts of contents, calls and tools of a request
// together. Each takes much more memory than its text: two bytes can be a message.
const mostEntries = 1 << 15

// counting returns the option of decoding that refuses more than left entries, and
// counts them down. A body has one count, and the lists that are read later out of
// its members, as blocks within blocks, have one together.
func counting(left *int) json.Options {
	return json.WithUnmarshalers(json.JoinUnmarshalers(
		entry[chatMessage](left), entry[chatCall](left), entry[chatTool](left), entry[part](left),
		entry[inputItem](left), entry[responsesTool](left),
		entry[blockMessage](left), entry[block](left), entry[messagesTool](left)))
}

// entry counts values of a type, and leaves the reading of them to others.
func entry[T any](left *int) *json.Unmarshalers {
	return json.UnmarshalFromFunc(func(*jsontext.Decoder, *T) error {
		if *left--; *left < 0 {
			return badRequest("", "the request has more than %d messages, parts, calls and tools", mostEntries)
		}
		return errors.ErrUnsupported
	})
}
