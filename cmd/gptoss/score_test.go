package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"expertfs/infer"
	"expertfs/infer/prefix"

	"github.com/stretchr/testify/require"
)

func TestScore(t *testing.T) {
	dir := tinyTree(t)
	logitsPath, expertsPath := filepath.Join(t.TempDir(), "l.npy"), filepath.Join(t.TempDir(), "e.csv")
	ids := []int{1776, 259, 1836, 1198, 525}
	out, _, err := runCommand(t, "1776 259 1836 1198 525", "score", "--model", dir, "--act", "f32", "--ids", "-",
		"--logits", logitsPath, "--experts", expertsPath, "-b", "2")
	require.NoError(t, err)

	text, err := os.ReadFile(logitsPath)
	require.NoError(t, err)
	logits := text[len(text)-5*2048*4:]
	require.Equal(t, "\x93NUMPY\x01\x00", string(text[:8]))
	require.Zero(t, (len(text)-len(logits))%64, "the data is aligned")
	require.Equal(t, len(text)-len(logits), 10+int(binary.LittleEndian.Uint16(text[8:])))
	require.Contains(t, string(text[:len(text)-len(logits)]), "{'descr': '<f4', 'fortran_order': False, 'shape': (5, 2048), }")

	lines := strings.Split(strings.TrimSpace(out), "\n")
	require.Len(t, lines, 5)
	for p, line := range lines {
		var s positionScore
		require.NoError(t, json.Unmarshal([]byte(line), &s))
		require.Equal(t, p, s.Position)
		require.Equal(t, ids[p], s.ID)
		require.Equal(t, p == 0, s.LogProb == nil)
		if p > 0 {
			require.InDelta(t, logProb(logits[(p-1)*2048*4:p*2048*4], s.ID), *s.LogProb, 1e-9)
		}
		require.InDelta(t, logProb(logits[p*2048*4:(p+1)*2048*4], s.Next), s.NextProb, 1e-9)
	}

	experts, err := os.ReadFile(expertsPath)
	require.NoError(t, err)
	rows := strings.Split(strings.TrimSpace(string(experts)), "\n")
	require.Len(t, rows, 5*4)
	for i, row := range rows {
		require.True(t, strings.HasPrefix(row, fmt.Sprintf("%d,%d,", i/4, i%4)), row)
		require.Len(t, strings.Split(row, ","), 2+4)
	}
	recorded, err := readRouting([]string{expertsPath}, 4, 32, 4)
	require.NoError(t, err)
	require.Equal(t, 5, recorded.tokens())
}

// logProb computes a log-probability from a row of little-endian logits.
func logProb(row []byte, id int) float64 {
	var sum float64
	at := func(i int) float64 {
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(row[4*i:])))
	}
	for i := range len(row) / 4 {
		sum += math.Exp(at(i))
	}
	return at(id) - math.Log(sum)
}

func TestScoreErrors(t *testing.T) {
	dir := tinyTree(t)
	_, _, err := runCommand(t, "", "score", "--model", dir)
	require.ErrorContains(t, err, "no text given: use --ids FILE")
	_, _, err = runCommand(t, "1 2", "score", "--model", dir, "--ids", "-", "--logits", filepath.Join(dir, "none", "x.npy"))
	require.ErrorContains(t, err, "no such file or directory")
}

// Nothing more is computed when what was is lost.
func TestScoreEndsWhenItCannotWrite(t *testing.T) {
	e, err := infer.Open(tinyTree(t), infer.Options{Batch: 1})
	require.NoError(t, err)
	defer func() { require.NoError(t, e.Close()) }()
	s := &scorer{ids: make([]int, 500), out: bufio.NewWriterSize(brokenPipe{}, 16)}
	require.ErrorIs(t, s.run(t.Context(), prefix.NewText(nil, e.NewSession())), io.ErrClosedPipe)
	require.Equal(t, 1, e.Stats().Tokens)
}
