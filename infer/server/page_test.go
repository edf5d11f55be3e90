package server

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"expertfs"
	"expertfs/infer/server/scripted"
	"expertfs/scripts/browser"

	"github.com/stretchr/testify/require"
)

const markdownAnswer = "<|channel|>analysis<|message|>The user asks why experts are files. I should name the three reasons, and show a command.<|end|>" +
	"<|start|>assistant<|channel|>final<|message|>Because **a file** is what every program can read:\n\n" +
	"1. `cat`, `cp` and `mmap` work on it\n2. the kernel serves it *without a copy*\n3. a cache can decide expert by expert\n\n" +
	"```sh\nls ~/mnt/layers/07/experts | head -3\n```\n\n| tier | time of a read |\n| --- | --- |\n| RAM | 3 µs |\n| drive | 5 ms |\n\n" +
	"<script>alert(1)</script> is text, and <b>so</b> is this.<|return|>"

// await stands for the page when it has answered.
const answered = `document.querySelectorAll(".turn.assistant .figures").length === `

func TestChatPage(t *testing.T) {
	p := browser.Open(t)
	m := &model{says: markdownAnswer}
	s := newServer(t, m)
	uses := expertfs.Uses{}
	s.Uses = func() (expertfs.Uses, error) {
		uses.Hits += 94
		uses.Misses += 6
		return uses, nil
	}
	server := newHTTP(t, s)
	s.Ready(m.Engine)
	p.Size(1200, 800)
	p.Light()
	p.Visit(server.URL + "/")
	p.Await(`document.getElementById("model").textContent === "test"`)
	p.Picture("chat-empty")
	p.Write("#prompt", "Why are experts files?\r")
	p.Await(answered + "1")
	require.Equal(t, "Why are experts files?", p.Text("#title"))
	require.Contains(t, p.Text(".assistant .figures"), "tokens/s")
	require.Contains(t, p.Text(".assistant .figures"), "experts: 94.0% hits of 100")
	require.False(t, browser.Eval[bool](p, `document.querySelector("details").open`), "reasoning is folded")
	require.Equal(t, "Because a file is what every program can read:", p.Text(".assistant .body p"))
	require.Equal(t, 3, browser.Eval[int](p, `document.querySelectorAll(".assistant ol > li").length`))
	require.Equal(t, 2, browser.Eval[int](p, `document.querySelectorAll(".assistant tbody tr").length`))
	require.Contains(t, p.Text(".assistant pre"), "head -3")
	require.Contains(t, p.Text(".assistant .body > p:last-child"), "<script>alert(1)</script> is text")
	p.Fits()
	p.Picture("chat-light")

	// A second conversation, and both are there after a reload.
	p.Click("#new")
	p.Write("#prompt", "Another\r")
	p.Await(answered + "1")
	p.Visit(server.URL + "/")
	p.Await(`document.querySelectorAll("#chats li").length === 2`)
	require.Equal(t, "Another", p.Text("#title"))
	p.Click("#chats li:last-child .name")
	p.Await(`document.getElementById("title").textContent === "Why are experts files?"`)

	// A question that is written anew takes what came after it away.
	p.Write("#prompt", "And the drive?\r")
	p.Await(answered + "2")
	browser.Eval[bool](p, `document.querySelector(".user button").click(), true`)
	p.Write(".turn.user textarea", "Why are they not?\r")
	p.Await(`document.querySelectorAll(".turn").length === 2 && ` + answered + "1")
	require.Equal(t, "Why are they not?", p.Text(".user .body"))

	p.Click("summary")
	p.Dark()
	p.Picture("chat-dark")
	p.Size(390, 844)
	p.Fits()
	p.Picture("chat-phone-dark")
	p.Click("#menu")
	p.Await(`document.getElementById("side").getBoundingClientRect().left === 0`)
	p.Light()
	p.Picture("chat-phone-list")
}

func TestChatPageStops(t *testing.T) {
	p := browser.Open(t)
	m := &model{says: "<|channel|>final<|message|>One two three four five six<|return|>", before: make(chan struct{})}
	server, s := start(t, m)
	p.Visit(server.URL + "/")
	p.Write("#prompt", "Count\r")
	p.Await(`!document.getElementById("stop").hidden`)
	for range 6 {
		m.before <- struct{}{}
	}
	p.Await(`document.querySelector(".assistant .body").innerText.startsWith("One")`)
	p.Click("#stop")
	p.Await(`document.querySelector(".assistant .error")?.textContent === "stopped"`)
	p.Await(`document.getElementById("stop").hidden`)
	for s.Busy() {
	}
	require.Contains(t, p.Text(".assistant .body"), "One", "what there was stays")
}

func TestChatPageAsksForTheKey(t *testing.T) {
	p := browser.Open(t)
	m := &model{says: "<|channel|>final<|message|>Hello<|return|>"}
	s := newServer(t, m)
	s.Guard.Keys = []string{"sesame"}
	server := newHTTP(t, s)
	s.Ready(m.Engine)
	p.Visit(server.URL + "/")
	p.Await(`document.getElementById("key-dialog").open`)
	p.Write("#key", "wrong\r")
	p.Await(`document.getElementById("key-error").textContent.includes("wrong")`)
	p.Write("#key", "sesame\r")
	p.Await(`document.getElementById("model").textContent === "test"`)
	p.Write("#prompt", "Hi\r")
	p.Await(answered + "1")
}

// TestPageFiles: the page is served without the key, and nothing else.
func TestPageFiles(t *testing.T) {
	m := &model{}
	s := newServer(t, m)
	s.Guard.Keys = []string{"sesame"}
	server := newHTTP(t, s)
	for path := range pagePaths {
		if path == "/index.html" {
			continue // leads to /
		}
		resp, err := http.Get(server.URL + path)
		require.NoError(t, err)
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusOK, resp.StatusCode, path)
		require.NotEmpty(t, text)
		require.Contains(t, resp.Header.Get("Content-Security-Policy"), "default-src 'none'")
	}
	for _, path := range []string{"/experts", "/page/index.html", "/chat.js/", "/v1/models"} {
		resp, err := http.Get(server.URL + path)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusUnauthorized, resp.StatusCode, path)
	}
	status, _ := post(t, server, "/", "{}")
	require.Equal(t, http.StatusUnauthorized, status)
}

func TestExpertsWithoutAMount(t *testing.T) {
	server, _ := start(t, &model{Engine: &scripted.Engine{}})
	resp, err := http.Get(server.URL + "/experts")
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusNotFound, resp.StatusCode)
	require.True(t, strings.Contains(string(text), "plain folder"), string(text))
}
