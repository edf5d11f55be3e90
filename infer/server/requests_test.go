package server

import (
	"bufio"
	"bytes"
	"net/http"
	"os"
	"testing"

	"expertfs/infer/tokenizer"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"
)

// aRequest is one that the types of a client library allow.
type aRequest struct {
	Path    string         `json:"path"`
	At      string         `json:"at"` // the place that is not as in the plainest request
	Refused string         `json:"refused,omitzero"`
	Body    jsontext.Value `json:"body"`
}

// TestEveryFieldOfTheLibraries sends what OpenAI's and Anthropic's libraries can
// send: each field of a request, each kind of content, item and tool. It has an
// answer, or is refused with words that name the place; testdata/requests.jsonl,
// made by scripts/clients/requests.mjs, says which. GPTOSS_REQUESTS names a file
// that gets the outcomes in place of a comparison.
func TestEveryFieldOfTheLibraries(t *testing.T) {
	data, err := os.ReadFile("testdata/requests.jsonl")
	require.NoError(t, err)
	tokens, err := tokenizer.Load("../../checkpoint/tiny")
	require.NoError(t, err)
	server, _ := startWith(t, &model{says: "<|channel|>final<|message|>ok<|return|>"}, tokens)
	var outcomes bytes.Buffer
	answered := 0
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var q aRequest
		require.NoError(t, json.Unmarshal(lines.Bytes(), &q))
		want := q.Refused
		status, answer := post(t, server, q.Path, string(q.Body))
		q.Refused = ""
		if status == http.StatusOK {
			answered++
		} else {
			require.Contains(t, []int{http.StatusBadRequest, http.StatusNotFound}, status, "%s %s\n%s", q.Path, q.Body, answer)
			var e errorBody
			require.NoError(t, json.Unmarshal([]byte(answer), &e))
			q.Refused = e.Error.Message
		}
		if os.Getenv("GPTOSS_REQUESTS") == "" {
			require.Equal(t, want, q.Refused, "%s %s\n%s", q.Path, q.At, q.Body)
		}
		outcomes.Write(append(mustJSON(q), '\n'))
	}
	require.NoError(t, lines.Err())
	require.Greater(t, answered, 1000)
	if file := os.Getenv("GPTOSS_REQUESTS"); file != "" {
		require.NoError(t, os.WriteFile(file, outcomes.Bytes(), 0o644))
	}
}
