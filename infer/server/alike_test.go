package server

import (
	"io"
	"net/http"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"
)

// Equal requests have equal answers, byte for byte, and of the alternatives of a token
// the most probable stands first: clients take the first name for it.
func TestEqualAnswersAreAlike(t *testing.T) {
	server, _ := start(t, &model{says: " a b c<|return|>"})
	var first string
	for range 10 {
		status, answer := post(t, server, "/v1/completions", `{"prompt": "x y", "logprobs": 5, "echo": true}`)
		require.Equal(t, 200, status, answer)
		var got struct {
			Choices jsontext.Value `json:"choices"`
		}
		require.NoError(t, json.Unmarshal([]byte(answer), &got))
		if first == "" {
			first = string(got.Choices)
		}
		require.Equal(t, first, string(got.Choices))
	}
	var choices []struct {
		Logprobs struct {
			Tokens []string         `json:"tokens"`
			Top    []jsontext.Value `json:"top_logprobs"`
		} `json:"logprobs"`
	}
	require.NoError(t, json.Unmarshal([]byte(first), &choices))
	l := choices[0].Logprobs
	require.Len(t, l.Top, 6) // of x, y, a, b, c and the end
	require.Equal(t, "null", string(l.Top[0]))
	for i, top := range l.Top[2:] { // the script says the most probable
		require.Equal(t, l.Tokens[i+2], memberNames(top)[0], "%s", top)
		require.Len(t, memberNames(top), 5)
	}
	for _, path := range []string{"/props", "/tokenizer_info", "/v1/models"} {
		once := fetch(t, server.URL+path)
		for range 5 {
			require.Equal(t, once, fetch(t, server.URL+path))
		}
	}
}

// The most probable alternatives come first, and then the token itself where it is
// none of them; those that look alike are one.
func TestAlternativesInOrder(t *testing.T) {
	all := alternatives{{"b", -0.5}, {"a", -1}, {"\"", -2.5}}
	text, err := json.Marshal([]alternatives{nil, {}, all})
	require.NoError(t, err)
	require.Equal(t, `[null,{},{"b":-0.5,"a":-1,"\"":-2.5}]`, string(text))
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	require.NoError(t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(data)
}

// UnmarshalJSONFrom lets tests read what answers have.
func (a *alternatives) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() == 'n' {
		return d.SkipValue()
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	*a = alternatives{}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return err
		}
		one := alternative{name: name.String()}
		if err := json.UnmarshalDecode(d, &one.log); err != nil {
			return err
		}
		*a = append(*a, one)
	}
	_, err := d.ReadToken()
	return err
}
