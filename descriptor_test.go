package expertfs

import (
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func FuzzRequest(f *testing.F) {
	names := Names{Layers: 24, Experts: 128}
	for _, text := range []string{"open 03/007", "close 3/7", "open", "open 3", "open 24/0", "open 3/128", "step 3/7", "open 3/7 8", "open -1/7", "residency", "residency 3/7", "rounded 03.safetensors", "rounded unembedding.safetensors"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := names.ParseRequest(text)
		if err != nil {
			return
		}
		again, err := names.ParseRequest(string(names.AppendRequest(nil, r)))
		require.NoError(t, err)
		require.Equal(t, r, again)
		require.Less(t, int(r.Key.Layer), names.Layers)
		require.Less(t, int(r.Key.Expert), names.Experts)
	})
}

func TestRequestsThatAreNone(t *testing.T) {
	names := Names{Layers: 24, Experts: 32}
	for _, text := range []string{"", "open", "open 3", "open 24/0", "open 3/32", "touch 3/7", "open 3/7 4/7", "open 3/7\n", "open  3/7", "residency 3/7", "residency ", "rounded", "rounded 3", "rounded 3.safetensors", "rounded 24.safetensors", "rounded ../00.safetensors"} {
		_, err := names.ParseRequest(text)
		require.Error(t, err, text)
	}
	r, err := names.ParseRequest("close 3/07")
	require.NoError(t, err)
	require.Equal(t, Request{Verb: CloseExpert, Key: NewKey(3, 7)}, r)
	require.Equal(t, "close 03/07", string(names.AppendRequest(nil, r)))
	r, err = names.ParseRequest("rounded unembedding.safetensors")
	require.NoError(t, err)
	require.Equal(t, Request{Verb: OpenRounded, Rounded: 24}, r)
	require.Equal(t, "rounded 03.safetensors", string(names.AppendRequest(nil, Request{Verb: OpenRounded, Rounded: 3})))
	r, err = names.ParseRequest("residency")
	require.NoError(t, err)
	require.Equal(t, Request{Verb: AskResidency}, r)
	require.Equal(t, "residency", string(names.AppendRequest(nil, r)))
}

func TestAnswers(t *testing.T) {
	for text, want := range map[string]*OpenError{
		"ok":                   nil,
		"error 16":             {Errno: syscall.EBUSY},
		"error 5 a bad drive":  {syscall.EIO, "a bad drive"},
		"error 12 two\nlines ": {syscall.ENOMEM, "two\nlines "},
	} {
		got, err := ParseAnswer(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got)
		require.Equal(t, text, string(AppendAnswer(nil, want)))
	}
	for _, text := range []string{"", "ok ", "error", "error 0 x", "error -5", "error 5000", "error x", "fail 5"} {
		_, err := ParseAnswer(text)
		require.Error(t, err, text)
	}
	long := AppendAnswer(nil, &OpenError{syscall.EIO, strings.Repeat("x", 1000)})
	require.Len(t, long, MaxMessage)
}
