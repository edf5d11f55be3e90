package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPlan(t *testing.T) {
	model := filepath.Join(t.TempDir(), "model")
	require.Zero(t, run(t, "synth", model).code)
	r := run(t, "plan", "--json", model)
	require.Zero(t, r.code, r.errors)
	var p planReport
	require.NoError(t, json.Unmarshal([]byte(r.out), &p))
	require.Positive(t, p.MemorySpeed)
	if p.NoDrive == "" { // some filesystems have no O_DIRECT
		require.Positive(t, p.DriveSpeed)
	}
	require.LessOrEqual(t, p.Free, p.Memory)
	var proposed int
	for i, row := range p.Table {
		if row.Budget == p.RAM {
			proposed++
		}
		if i > 0 {
			require.GreaterOrEqual(t, row.HitRate, p.Table[i-1].HitRate)
			require.LessOrEqual(t, row.Read, p.Table[i-1].Read)
		}
	}
	require.Equal(t, 1, proposed)

	copied := filepath.Join(t.TempDir(), "copy")
	require.NoError(t, os.CopyFS(copied, os.DirFS(model)))
	r = run(t, "plan", "--json", "--mirror", copied, model)
	require.Zero(t, r.code, r.errors)
	one := p
	require.NoError(t, json.Unmarshal([]byte(r.out), &p))
	require.Equal(t, 2*one.Drives, p.Drives)
	require.Equal(t, one.NoDrive == "", p.NoDrive == "")

	r = run(t, "plan", "embed:tiny")
	require.Zero(t, r.code, r.errors)
	for _, want := range []string{"experts ", "measured", "derived", "not known", "--ram ", ">  "} {
		require.Contains(t, r.out, want)
	}
	r = run(t, "plan", filepath.Join(model, "nothing"))
	require.Equal(t, exitNoCheckpoint, r.code)
	require.Contains(t, r.errors, "nothing")
}
