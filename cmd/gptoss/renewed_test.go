package main

import (
	"log/slog"
	"sync"
	"testing"

	"expertfs/infer"

	"github.com/stretchr/testify/require"
)

// A model that is opened anew while the server ends is closed once, by one of the two.
func TestServerEndsWhileItsModelIsOpenedAnew(t *testing.T) {
	open := func() *renewedModel {
		m, err := prepareChatModel(&modelFlags{dir: tinyTree(t), mapBytes: "auto", options: infer.Options{Threads: 1}},
			&conversationFlags{systemMessage: "off", date: "none"}, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		s := &servedModel{chatModel: m, share: &shareFlags{kvRAM: "auto", keep: 1}}
		require.NoError(t, s.load())
		return &renewedModel{present: s}
	}
	r := open()
	first := r.present
	e, err := r.reopen(t.Context(), first)
	require.NoError(t, err)
	require.NotSame(t, first, e)
	require.NoError(t, r.close())
	_, err = r.reopen(t.Context(), e)
	require.ErrorIs(t, err, errOver)

	r = open()
	var both sync.WaitGroup
	both.Go(func() { _, _ = r.reopen(t.Context(), r.present) })
	both.Go(func() { _ = r.close() })
	both.Wait()
	require.NoError(t, r.close())
}
