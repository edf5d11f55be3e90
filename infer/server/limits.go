package server

// Bounds of what one request may ask for.
const (
	mostChoices  = 128
	mostPrompts  = 2048
	mostStops    = 256
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
func (s stops) check(field string) error {
	if len(s) > mostStops {
		return badRequest(field, "%s has more than %d strings", field, mostStops)
	}
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
