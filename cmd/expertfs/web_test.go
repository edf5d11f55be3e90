package main

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// get asks for a page.
func get(t *testing.T, url string) string {
	t.Helper()
	answer, err := http.Get(url)
	require.NoError(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.StatusCode, string(text))
	return string(text)
}

// post asks for a change, and returns the status.
func post(t *testing.T, url, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, url+"set", strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("X-Expertfs", "1")
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, string(text)
}

// mountPage mounts the embedded model with a page.
func mountPage(t *testing.T, flags ...string) (point, url string) {
	t.Helper()
	needMounts(t)
	point = newPoint(t)
	args := append([]string{"mount", "--ram", "4MiB", "--http", "127.0.0.1:0", "--log-file", filepath.Join(t.TempDir(), "log")}, flags...)
	r := run(t, append(args, "embed:tiny", point)...)
	require.Zero(t, r.code, r.errors)
	_, url, ok := strings.Cut(r.out, "\npage: ")
	require.True(t, ok, r.out)
	return point, strings.TrimSpace(url)
}

func TestMountWithAPage(t *testing.T) {
	point, url := mountPage(t)
	require.Contains(t, get(t, url), "<!doctype html>")
	_, err := os.ReadFile(filepath.Join(point, "layers/01/experts/02.safetensors"))
	require.NoError(t, err)
	metrics := get(t, url+"metrics")
	require.Contains(t, metrics, "\nexpertfs_misses_total 1\n")
	require.Contains(t, metrics, "\nprocess_cpu_seconds_total ")

	answer, err := http.Get(url + "events")
	require.NoError(t, err)
	defer answer.Body.Close()
	events := bufio.NewReader(answer.Body)
	line, err := events.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "event: welcome\n", line)

	status, text := post(t, url, `{"policy":"no-such-policy"}`)
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, text, "no-such-policy")
	require.Contains(t, report(t, point).LastRefused.Reason, "no-such-policy")
	status, text = post(t, url, `{"policy":"lru"}`)
	require.Equal(t, http.StatusNoContent, status, text)
	status, text = post(t, url, `{"ram":"5MiB"}`)
	require.Equal(t, http.StatusNoContent, status, text)
	require.Equal(t, "lru", report(t, point).Cache.Policy)
	require.EqualValues(t, 5<<20, report(t, point).Cache.Budget)

	// An open page keeps nobody from unmounting.
	require.Zero(t, run(t, "umount", point).code)
	_, err = io.Copy(io.Discard, events)
	require.NoError(t, err)
}

func TestPageOfAReadOnlyMount(t *testing.T) {
	_, url := mountPage(t, "-o", "ro")
	status, text := post(t, url, `{"policy":"lru"}`)
	require.Equal(t, http.StatusForbidden, status)
	require.Contains(t, text, "read-only")
}

func TestListenersThatCannotBe(t *testing.T) {
	needMounts(t)
	point := newPoint(t)
	r := run(t, "mount", "--ram", "4MiB", "--http", "192.0.2.1:80", "embed:tiny", point) // an address for documentation
	require.Equal(t, exitNoListener, r.code, r.errors)
	require.Contains(t, r.errors, "--http 192.0.2.1:80")
	r = run(t, "mount", "--http", "127.0.0.1:0", "--http-key-file", "/nonexistent", "embed:tiny", point)
	require.Contains(t, r.errors, "--http-key-file: ")
	require.Equal(t, exitNotMounted, run(t, "status", point).code, "nothing is left mounted")
}

// startWeb shows a mount that runs, until the test ends.
func startWeb(t *testing.T, cmd *exec.Cmd) (url string) {
	t.Helper()
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
		require.NoError(t, cmd.Wait())
	})
	url, err = bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSpace(url)
}

func TestWeb(t *testing.T) {
	point := mountTiny(t)
	url := startWeb(t, program("web", point))
	require.Contains(t, get(t, url), "<!doctype html>")
	require.Contains(t, get(t, url+"metrics"), "\nexpertfs_model_experts 128\n")
	status, text := post(t, url, `{"ram":"1"}`)
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, text, "too small", "the reason, and not EINVAL")
	status, text = post(t, url, `{"policy":"lru"}`)
	require.Equal(t, http.StatusNoContent, status, text)
	require.Equal(t, "lru", report(t, point).Cache.Policy)
	require.Empty(t, report(t, point).Readers, "who watches is no reader")

	require.Equal(t, exitNotMounted, run(t, "web", t.TempDir()).code)
}

// TestOtherUsersMayNotSwitch: a process of another user of this machine sees the
// page of a mount, and changes nothing.
func TestOtherUsersMayNotSwitch(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to be another user")
	}
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("needs curl: another user's program")
	}
	point, url := mountPage(t)
	asOther := func(args ...string) string {
		cmd := exec.Command(curl, append([]string{"-s"}, args...)...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		return string(out)
	}
	require.Contains(t, asOther(url), "<!doctype html>")
	require.Contains(t, asOther("-H", "X-Expertfs: 1", "-d", `{"policy":"lru"}`, url+"set"), "only the user who mounted")
	require.NotEqual(t, "lru", report(t, point).Cache.Policy)
}
