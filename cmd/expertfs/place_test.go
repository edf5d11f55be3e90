package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"expertfs"
	"expertfs/checkpoint"
	"expertfs/checkpoint/checkpointtest"
	"expertfs/checkpoint/checkpointtest/reference"
	"expertfs/checkpoint/source/storetest"

	"github.com/stretchr/testify/require"
)

// bucketOf serves a checkpoint as s3://models/b, and returns what a mount of it shows.
func bucketOf(t *testing.T, dir string) (*storetest.Store, map[string][]byte) {
	t.Helper()
	ck, err := checkpoint.Open(dir)
	require.NoError(t, err)
	defer ck.Close()
	want, err := checkpointtest.Files(ck)
	require.NoError(t, err)
	return storetest.S3(t, storetest.Files(t, dir, "b/")), want
}

// far is a mount of a place on a network.
type far struct {
	point, log, cache string
}

func mountFar(t *testing.T, place, cache string, flags ...string) far {
	t.Helper()
	f := far{newPoint(t), filepath.Join(t.TempDir(), "log"), cache}
	args := append([]string{"mount", "--ram", "64MiB", "--cache-dir", cache, "--log-file", f.log}, flags...)
	r := run(t, append(args, place, f.point)...)
	require.Zero(t, r.code, r.errors)
	return f
}

// umount ends the mount, and looks for secrets in all that it has written.
func (f far) umount(t *testing.T) {
	t.Helper()
	figures := readAll(t, filepath.Join(f.point, ".expertfs", "stats")) + readAll(t, filepath.Join(f.point, ".expertfs", "stats.json"))
	var s expertfs.Stats
	require.NoError(t, json.Unmarshal([]byte(readAll(t, filepath.Join(f.point, ".expertfs", "stats.json"))), &s))
	figures += readAll(t, filepath.Join("/proc", strconv.Itoa(s.PID), "cmdline")) + readAll(t, "/proc/self/mountinfo")
	r := run(t, "umount", f.point)
	require.Zero(t, r.code, r.errors)
	for _, secret := range []string{storetest.Secret, storetest.Token, "signed-1", "X-Amz-Signature"} {
		require.NotContains(t, figures, secret)
		if log, err := os.ReadFile(f.log); err == nil {
			require.NotContains(t, string(log), secret)
		}
		require.NoError(t, filepath.WalkDir(f.cache, func(path string, d fs.DirEntry, err error) error {
			require.NoError(t, err)
			if !d.IsDir() {
				require.NotContains(t, readAll(t, path), secret, path)
			}
			return nil
		}))
	}
}

func (f far) source(t *testing.T) expertfs.SourceStats {
	t.Helper()
	var s expertfs.Stats
	require.NoError(t, json.Unmarshal([]byte(readAll(t, filepath.Join(f.point, ".expertfs", "stats.json"))), &s))
	require.NotNil(t, s.Source)
	return *s.Source
}

// same compares what a mount shows.
func (f far) same(t *testing.T, want map[string][]byte) {
	t.Helper()
	for name, data := range want {
		require.True(t, string(data) == readAll(t, filepath.Join(f.point, name)), name)
	}
}

func readAll(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

func TestMountOfABucket(t *testing.T) {
	needMounts(t)
	store, want := bucketOf(t, reference.Path(t, "a64/hf"))
	cache := t.TempDir()
	f := mountFar(t, "s3://models/b", cache)
	s := f.source(t)
	require.Equal(t, "s3://models/b", s.Place)
	require.Less(t, s.CachedBytes, int64(300_000), "headers and small files")
	expert := expertfs.Names{Layers: 3, Experts: 32}.ExpertPath(expertfs.NewKey(1, 5))
	require.True(t, string(want[expert]) == readAll(t, filepath.Join(f.point, expert)))
	more := f.source(t).Bytes - s.Bytes
	require.Positive(t, more)
	require.Less(t, more, int64(len(want[expert])+100_000), "the expert, and what blocks are around it")

	r := run(t, "warm", f.point, "layers/00-01", "dense")
	require.Zero(t, r.code, r.errors)
	require.False(t, f.source(t).Complete)
	r = run(t, "warm", f.point, "layers/99")
	require.Contains(t, r.errors, `"layers/99": expected`)
	r = run(t, "warm", f.point)
	require.Zero(t, r.code, r.errors)
	require.Contains(t, r.out, "are in the cache")
	require.Eventually(t, func() bool { return f.source(t).Complete }, patience, poll)
	f.same(t, want)
	require.Less(t, f.source(t).Bytes, int64(1_050_000), "nothing is fetched twice")
	dir := f.source(t).CacheDir
	f.umount(t)

	store.Close()
	f = mountFar(t, "s3://models/b", cache)
	f.same(t, want)
	require.Zero(t, f.source(t).Requests)
	f.umount(t)
	f = mountFar(t, dir, cache) // as a plain folder
	f.same(t, want)
	f.umount(t)
}

func TestOfflineWithAPartOfTheCache(t *testing.T) {
	needMounts(t)
	store, want := bucketOf(t, reference.Path(t, "a64/hf"))
	cache := t.TempDir()
	f := mountFar(t, "s3://models/b", cache)
	names := expertfs.Names{Layers: 3, Experts: 32}
	one, other := names.ExpertPath(expertfs.NewKey(0, 7)), names.ExpertPath(expertfs.NewKey(2, 30))
	require.True(t, string(want[one]) == readAll(t, filepath.Join(f.point, one)))
	f.umount(t)
	store.Close()
	f = mountFar(t, "s3://models/b", cache)
	require.True(t, string(want[one]) == readAll(t, filepath.Join(f.point, one)))
	_, err := os.ReadFile(filepath.Join(f.point, other))
	require.ErrorIs(t, err, syscall.EIO)
	require.True(t, string(want["config.json"]) == readAll(t, filepath.Join(f.point, "config.json")))
	log := readAll(t, f.log)
	require.Contains(t, log, "offline")
	require.Regexp(t, `load failed.*layer 2 expert 30.*refused`, log)
	require.Positive(t, f.source(t).Errors)
	f.umount(t)
}

func TestAnUpstreamThatChangesOrFails(t *testing.T) {
	needMounts(t)
	store, want := bucketOf(t, reference.Path(t, "a64/original"))
	cache := t.TempDir()
	f := mountFar(t, "s3://models/b", cache)
	names := expertfs.Names{Layers: 3, Experts: 32}
	read := func(layer, expert int) error {
		path := names.ExpertPath(expertfs.NewKey(layer, expert))
		got, err := os.ReadFile(filepath.Join(f.point, path))
		if err == nil {
			require.True(t, string(want[path]) == string(got))
		}
		return err
	}
	store.SetFault(storetest.Times(2, storetest.Status(http.StatusServiceUnavailable)))
	require.NoError(t, read(0, 1))
	require.Positive(t, f.source(t).Retries)
	store.SetFault(storetest.Reset)
	require.ErrorIs(t, read(0, 2), syscall.EIO)
	store.SetFault(nil)
	require.NoError(t, read(0, 2), "the next open tries again")
	require.NoError(t, read(2, 9))

	files := storetest.Files(t, reference.Path(t, "a64/original"), "b/")
	changed := bytes.Clone(files["b/model.safetensors"])
	changed[len(changed)-1] ^= 1
	store.Put(t, "b/model.safetensors", changed)
	require.ErrorIs(t, read(1, 1), syscall.EIO)
	require.NoError(t, read(0, 1))
	require.Regexp(t, `load failed.*layer 1 expert 1.*model.safetensors.*has changed at its source`, readAll(t, f.log))
	f.umount(t)
	r := run(t, "mount", "--ram", "64MiB", "--cache-dir", cache, "s3://models/b", f.point)
	require.Equal(t, exitBadCheckpoint, r.code)
	require.Contains(t, r.errors, "s3://models/b/model.safetensors: has changed at its source")
}

// What hinders a mount has a code of its own, says what to do, and leaves no cache.
func TestPlacesThatCannotBeMounted(t *testing.T) {
	store := storetest.S3(t, map[string][]byte{"b/readme": []byte("no checkpoint")})
	cache := filepath.Join(t.TempDir(), "cache")
	refuse := func(code int) func() { return func() { store.SetFault(storetest.Status(code)) } }
	for _, c := range []struct {
		place  string
		before func()
		code   int
		says   string
	}{
		{"s3://nobody/b", nil, exitNoCheckpoint, "there is no such bucket at 127.0.0.1"},
		{"s3://models/none", nil, exitNoCheckpoint, "no objects here"},
		{"s3://models/b", nil, exitBadCheckpoint, "s3://models/b"},
		{"s3://models/b", refuse(http.StatusForbidden), exitNoAnswer, "answer 403 Forbidden"},
		{"s3://models/b", refuse(http.StatusTooManyRequests), exitNoAnswer, "429 Too Many Requests"},
		{"s3://models/b", store.Close, exitNoAnswer, "nothing listens there: check AWS_ENDPOINT_URL"},
		{"http://192.0.2.1/b/", nil, exitBadCheckpoint, "--plain-http"},
	} {
		if c.before != nil {
			c.before()
		}
		commands := [][]string{
			{"mount", "--ram", "64MiB", "--cache-dir", cache, c.place, t.TempDir()},
			{"check", c.place},
		}
		results := make([]result, len(commands))
		var running sync.WaitGroup // at once, as they try again for some seconds
		for i, command := range commands {
			running.Go(func() { results[i] = run(t, command...) })
		}
		running.Wait()
		for _, r := range results {
			require.Equal(t, c.code, r.code, r.errors)
			require.Contains(t, r.errors, c.says)
		}
		left, err := os.ReadDir(cache)
		require.True(t, err == nil || errors.Is(err, os.ErrNotExist), err)
		require.Empty(t, left, c.place)
	}
}

func TestMountOfTheHub(t *testing.T) {
	needMounts(t)
	dir := reference.Path(t, "a64/hf")
	_, want := bucketOf(t, dir)
	h := storetest.NewHub(t, storetest.Files(t, dir, ""))
	cache := t.TempDir()
	f := mountFar(t, "hf://owner/name", cache)
	r := run(t, "warm", f.point)
	require.Zero(t, r.code, r.errors)
	require.Eventually(t, func() bool { return f.source(t).Complete }, patience, poll, "verified by their SHA-256")
	f.umount(t)
	h.Close()
	h.Content.Close()
	f = mountFar(t, "hf://owner/name", cache)
	f.same(t, want)
	require.Zero(t, f.source(t).Requests)
	f.umount(t)
}

// A copy of a mount has a file for each expert, more than are open at a time.
func TestACopyOfAMountInABucket(t *testing.T) {
	needMounts(t)
	dir := t.TempDir()
	require.NoError(t, checkpointtest.WriteTree(dir, reference.Path(t, "a64/hf")))
	store, want := bucketOf(t, dir)
	cache := t.TempDir()
	f := mountFar(t, "s3://models/b", cache)
	r := run(t, "warm", f.point)
	require.Zero(t, r.code, r.errors)
	require.Eventually(t, func() bool { return f.source(t).Complete }, patience, poll)
	f.umount(t)
	store.Close()
	f = mountFar(t, "s3://models/b", cache)
	f.same(t, want)
	require.Zero(t, f.source(t).Requests)
	f.umount(t)
}

// The second mount of a place, while the first fills the cache, does without it.
func TestASecondMountOfAPlace(t *testing.T) {
	needMounts(t)
	_, want := bucketOf(t, reference.Path(t, "a64/hf"))
	cache := t.TempDir()
	first := mountFar(t, "s3://models/b", cache)
	second := mountFar(t, "s3://models/b", cache)
	second.same(t, want)
	require.Contains(t, second.source(t).NotKept, "another mount fills the cache")
	r := run(t, "warm", second.point)
	require.Contains(t, r.errors, "another mount fills the cache")
	second.umount(t)
	first.same(t, want)
	require.Empty(t, first.source(t).NotKept)
	first.umount(t)
}

func TestMountsThatKeepNothing(t *testing.T) {
	needMounts(t)
	_, want := bucketOf(t, reference.Path(t, "a64/hf"))
	f := mountFar(t, "s3://models/b", "none")
	f.same(t, want)
	require.Contains(t, f.source(t).NotKept, "none")
	r := run(t, "warm", f.point)
	require.Contains(t, r.errors, "mount with --cache-dir")
	f.cache = t.TempDir()
	f.umount(t)
	r = run(t, "warm", mountTiny(t))
	require.Contains(t, r.errors, "there is nothing to fetch")
}

func TestCheckOfABucket(t *testing.T) {
	store, _ := bucketOf(t, reference.Path(t, "a64/hf"))
	r := run(t, "check", "s3://models/b")
	require.Zero(t, r.code, r.errors)
	require.Contains(t, r.out, "no problems found")
	r = run(t, "check", "--data", "s3://models/b")
	require.Zero(t, r.code, r.errors)
	store.SetFault(storetest.Status(http.StatusForbidden))
	r = run(t, "check", "s3://models/b")
	require.Contains(t, r.errors, "AWS_ACCESS_KEY_ID")
	require.NotContains(t, r.errors, storetest.Secret)
}

// A real gateway serves a folder, which is mounted with it and, from the full cache,
// without it. `make gateway` builds it.
func TestGateway(t *testing.T) {
	needMounts(t)
	tool, err := exec.LookPath("versitygw")
	if err != nil {
		if tool, err = filepath.Abs("../../bin/versitygw"); err == nil {
			_, err = os.Stat(tool)
		}
	}
	if err != nil {
		t.Skip("versitygw is missing: make gateway")
	}
	for _, form := range []string{"a64/hf", "a64/original", "a64/gguf/bf16.gguf"} {
		t.Run(form, func(t *testing.T) { mountFromGateway(t, tool, reference.Path(t, form)) })
	}
}

func mountFromGateway(t *testing.T, tool, form string) {
	root, cache := t.TempDir(), t.TempDir()
	folder := filepath.Join(root, "models", "b")
	if info, err := os.Stat(form); err == nil && info.IsDir() {
		require.NoError(t, os.CopyFS(folder, os.DirFS(form)))
	} else {
		require.NoError(t, os.MkdirAll(folder, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(folder, filepath.Base(form)), []byte(readAll(t, form)), 0o600))
	}
	ck, err := checkpoint.Open(folder)
	require.NoError(t, err)
	want, err := checkpointtest.Files(ck)
	require.NoError(t, err)
	require.NoError(t, ck.Close())

	address, stop := startGateway(t, tool, root)
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": storetest.Secret, "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": "http://" + address,
	} {
		t.Setenv(name, value)
	}
	f := mountFar(t, "s3://models/b", cache)
	f.same(t, want)
	r := run(t, "warm", f.point)
	require.Zero(t, r.code, r.errors)
	require.Eventually(t, func() bool { return f.source(t).Complete }, patience, poll)
	f.umount(t)
	stop()
	f = mountFar(t, "s3://models/b", cache)
	f.same(t, want)
	require.Zero(t, f.source(t).Requests)
	f.umount(t)
}

// startGateway serves a folder of buckets on a free port.
func startGateway(t *testing.T, tool, root string) (address string, stop func()) {
	t.Helper()
	free := storetest.Serve(t, http.NotFoundHandler())
	address = strings.TrimPrefix(free.URL, "http://")
	free.Close()
	gateway := exec.Command(tool, "--port", address, "posix", root)
	gateway.Env = append(os.Environ(), "ROOT_ACCESS_KEY=AKIDEXAMPLE", "ROOT_SECRET_KEY="+storetest.Secret)
	require.NoError(t, gateway.Start())
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			_ = gateway.Process.Kill() // it may have ended
			_ = gateway.Wait()         // by the signal
		}
	}
	t.Cleanup(stop)
	require.Eventually(t, func() bool {
		r, err := http.Get("http://" + address)
		if err == nil {
			r.Body.Close()
		}
		return err == nil
	}, patience, 20*time.Millisecond)
	return address, stop
}
