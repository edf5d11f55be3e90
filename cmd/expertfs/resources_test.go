package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"expertfs"
	"expertfs/fsys/budget"

	"github.com/stretchr/testify/require"
)

// TestBudgetOfAControlGroup mounts where the process's control group allows 66 MiB,
// as far as it can know: the group's limit is in a folder of this test's.
func TestBudgetOfAControlGroup(t *testing.T) {
	needNamespaces(t)
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "mnt"), 0o755))
	r := inNamespace(t, `cd "$1"
		mount -t tmpfs none /sys/fs/cgroup || exit 77
		mkdir /sys/fs/cgroup/memory
		echo 69206016 | tee /sys/fs/cgroup/memory.max > /sys/fs/cgroup/memory/memory.limit_in_bytes
		for ram in 100% 64MiB; do
			"$0" mount --ram $ram --log-file log embed:tiny mnt || echo "code $?"
		done
		"$0" mount --ram 1MiB --log-file log embed:tiny mnt >/dev/null
		echo 64MiB > mnt/.expertfs/ram || echo refused
		cat mnt/.expertfs/ram
		cat mnt/layers/*/dense.safetensors mnt/dense/un* > dense
		grep ^expertfs_dense_bytes mnt/.expertfs/stats
		head -1 mnt/.expertfs/stats
		"$0" umount mnt`, dir)
	if r.code == 77 {
		t.Skip("no mount on /sys/fs/cgroup here: ", r.errors)
	}
	require.Zero(t, r.code, r.errors)
	lines := strings.Split(strings.TrimSpace(r.out), "\n")
	require.Equal(t, []string{"code 35", "code 35", "refused", "1MiB"}, lines[:4], r.errors)
	var dense int64
	_, err := fmt.Sscanf(lines[4], "expertfs_dense_bytes %d", &dense)
	require.NoError(t, err, lines[4])
	require.LessOrEqual(t, dense, int64(1<<20), "66 MiB - 64 - 1")
	require.Contains(t, lines[5], "last refused: ram: 4.2 MiB of experts and 64 MiB for the server are more than the 66 MiB")
	require.Contains(t, r.errors, "expertfs: --ram 100%: 4.2 MiB of experts and 64 MiB for the server are more than the 66 MiB that its control group may use, which would have it killed: a budget of 2MiB fits")
}

// TestDenseBound: dense files beyond the bound are read from the drive, with the
// same bytes.
func TestDenseBound(t *testing.T) {
	names := []string{"dense/unembedding.safetensors"}
	for layer := range 4 {
		names = append(names, fmt.Sprintf("layers/%02d/dense.safetensors", layer))
	}
	content := make(map[string]string)
	for _, bound := range []string{"auto", "300KiB", "1"} {
		point := mountTiny(t, "--dense", bound)
		var open []*os.File
		for _, name := range names {
			f, err := os.Open(filepath.Join(point, name))
			require.NoError(t, err)
			open = append(open, f)
			text, err := io.ReadAll(f)
			require.NoError(t, err)
			if bound == "auto" {
				content[name] = string(text)
			} else {
				require.True(t, content[name] == string(text), name)
			}
		}
		got := report(t, point).Cache.DenseBytes
		switch bound {
		case "auto":
			require.Greater(t, got, int64(300<<10))
		case "300KiB":
			require.Positive(t, got)
			require.LessOrEqual(t, got, int64(300<<10))
		default:
			require.Zero(t, got)
		}
		for _, f := range open {
			require.NoError(t, f.Close())
		}
		require.Zero(t, run(t, "umount", point).code)
	}
}

// TestManyFiles mounts where a process may open fewer files than there are experts.
func TestManyFiles(t *testing.T) {
	needMounts(t)
	point := newPoint(t)
	cmd := exec.Command("sh", append([]string{"-c", `ulimit -n 90 && exec "$0" "$@"`}, program("mount", "--ram", "8MiB", "embed:tiny", point).Args...)...)
	cmd.Env = program().Env
	mounted := finish(t, cmd)
	require.Zero(t, mounted.code)
	for e := range 32 {
		for layer := range 4 {
			_, err := os.ReadFile(filepath.Join(point, tinyNames.ExpertPath(expertfs.NewKey(layer, e))))
			require.NoError(t, err)
		}
	}
	for _, name := range []string{"layers/00/dense.safetensors", ".expertfs/rounded/00.safetensors", "dense/unembedding.safetensors"} {
		_, err := os.ReadFile(filepath.Join(point, name))
		require.NoError(t, err, "experts leave files to others")
	}
	if strings.Contains(mounted.errors, "this process may open 90 files") { // only root may raise that
		require.Contains(t, mounted.errors, "128 experts in RAM may want 640 (operation not permitted): the budget is that of 45;")
		require.Equal(t, 45, report(t, point).Cache.Resident)
		require.Zero(t, report(t, point).Cache.Errors["EMFILE"])
	} else {
		require.Equal(t, 128, report(t, point).Cache.Resident)
	}
	require.Zero(t, run(t, "umount", point).code)
}

// TestMountsBesideEachOther: what other mounts may take is found out and counted.
func TestMountsBesideEachOther(t *testing.T) {
	point := mountTiny(t)
	var other *budget.Other
	for _, o := range others("/no such mount", patience) {
		if o.Point == point {
			other = &o
		}
	}
	require.NotNil(t, other)
	require.Equal(t, budget.Demand{Budget: 4 << 20, Experts: 128 * 36 << 10}, other.Demand)
	for _, o := range others(point, patience) {
		require.NotEqual(t, point, o.Point, "a server does not ask itself")
	}
	require.Zero(t, run(t, "umount", point).code)

	memory, err := budget.Memory()
	require.NoError(t, err)
	most := budget.Demand{Budget: memory / 5 * 4, Experts: 1 << 50}
	require.Empty(t, doubts(most, nil, 1<<20, 4, 4))
	warnings := doubts(most, []budget.Other{{Point: "/mnt/a", Demand: most}}, 1<<20, 4, 4)
	require.Len(t, warnings, 1)
	require.Contains(t, warnings[0], "with the experts of other mounts (/mnt/a ")
}
