package main

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"expertfs/infer/harmony"
	"expertfs/infer/server"
	"expertfs/infer/server/scripted"
	"expertfs/infer/tokenizer"

	"github.com/stretchr/testify/require"
)

// clientsFolder holds the tests in JavaScript; agentsFile those of coding agents,
// which take 800 MB.
const (
	clientsFolder = "../../scripts/clients"
	agentsFile    = clientsFolder + "/agents/agents.test.mjs"
)

// installModules installs what the folder's lock says. The agents have none, but
// exact versions: they are programs for each platform, and a registry need not
// have all of these.
func installModules(t *testing.T, folder string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(folder, "node_modules")); err == nil {
		return
	}
	install := exec.Command("npm", "ci", "--no-audit", "--no-fund")
	if _, err := os.Stat(filepath.Join(folder, "package-lock.json")); err != nil {
		install = exec.Command("npm", "install", "--no-package-lock", "--no-audit", "--no-fund")
	}
	install.Dir = folder
	out, err := install.CombinedOutput()
	require.NoError(t, err, string(out))
}

// TestClients runs what others have written to speak with such servers, against
// this one with a scripted engine and with the tiny model. It needs Node and, the
// first time, the npm registry: make test-clients asks for it, and make test-agents
// for coding agents too.
func TestClients(t *testing.T) {
	if os.Getenv("GPTOSS_CLIENTS") == "" {
		t.Skip("make test-clients runs it")
	}
	node, err := exec.LookPath("node")
	require.NoError(t, err, "Node is not installed")
	files, err := filepath.Glob(filepath.Join(clientsFolder, "*.test.mjs"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	folders := []string{clientsFolder}
	if os.Getenv("GPTOSS_CLIENTS") == "all" {
		files, folders = append(files, agentsFile), append(folders, filepath.Dir(agentsFile))
	}
	for _, folder := range folders {
		installModules(t, folder)
	}
	scriptedURL, tinyURL := serveScripted(t), serveTiny(t)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".test.mjs"), func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), node, "--test", "--test-reporter=tap", filepath.Base(file))
			cmd.Dir = filepath.Dir(file)
			cmd.Env = append(os.Environ(), "SCRIPTED="+scriptedURL, "TINY="+tinyURL, "NO_PROXY=127.0.0.1")
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, string(out))
			require.Contains(t, string(out), "# fail 0")
		})
	}
}

// serveScripted serves scripted.Assistant and returns its address.
func serveScripted(t *testing.T) string {
	t.Helper()
	tokens := tokenizer.O200kHarmony()
	chat, err := harmony.NewEncoding(tokens)
	require.NoError(t, err)
	s := &server.Server{
		Model: "gpt-oss", Tokens: tokens, Chat: chat, Waiting: 64, Patience: time.Minute, Comments: time.Second,
		System: func(e harmony.Effort, functions bool) []harmony.Message {
			return []harmony.Message{harmony.SystemContent{Effort: e, Functions: functions}.Message()}
		},
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	web := httptest.NewServer(s.Handler())
	t.Cleanup(web.Close)
	s.Ready(&scripted.Engine{Tokens: tokens, Room: 131072, Say: func(prompt []int) string { return scripted.Assistant(tokens.Decode(prompt)) }})
	return web.URL
}

// serveTiny runs the command with the tiny model and returns its address.
func serveTiny(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var log syncBuffer
	root := newRoot()
	root.SetErr(&log)
	root.SetArgs([]string{"serve", "--model", tinyTree(t), "--port", "0", "--alias", "whale", "--grace", "10ms"})
	ended := make(chan error, 1)
	go func() { ended <- root.ExecuteContext(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	return "http://" + listening(t, &log, "whale")
}
