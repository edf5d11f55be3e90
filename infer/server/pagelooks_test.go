package server

import (
	"fmt"
	"strings"
	"testing"

	"expertfs/scripts/browser"

	"github.com/stretchr/testify/require"
)

// hardAnswer has what pages are broken by.
var hardAnswer = "<|channel|>analysis<|message|>Think of everything.<|end|><|start|>assistant<|channel|>final<|message|># Everything\n\n" +
	strings.Repeat("Donaudampfschifffahrt", 20) + "\n\n" +
	"مرحبا بالعالم، هذه جملة طويلة بما يكفي لتملأ السطر كله وتعود إلى السطر التالي من النص.\n\n- שלום עולם\n- שורה שנייה\n\n" +
	"世界、これは長い文章です。🐋👩‍👩‍👧\n\n" +
	"```go\nfunc main() { fmt.Println(\"" + strings.Repeat("a long line ", 30) + "\") }\n```\n\n" +
	"| tier | what it is | time of a read | how many experts it has room for | and more |\n| --- | --- | ---: | --- | --- |\n" +
	"| RAM | slots on a tmpfs | 3 µs | as many as the budget has | " + strings.Repeat("wide", 20) + " |\n| drive | " + strings.Repeat("words and words ", 8) + " | 5 ms | all | |\n\n" +
	"1. one\n   - inner\n     - deeper\n2. two\n\n> quoted\n> > twice\n\n" + strings.Repeat(">", 60) + " deep\n<|return|>"

// TestChatPageLooks: nothing of an answer is wider than the window, text goes the way
// of its script, and what is wider than its place is moved by keys.
func TestChatPageLooks(t *testing.T) {
	p := browser.Open(t)
	server, _ := start(t, &model{says: hardAnswer})
	p.Size(1200, 900)
	p.Light()
	p.Visit(server.URL + "/")
	p.Write("#prompt", "אמור לי הכול\r")
	p.Await(answered + "1")
	p.Fits()
	p.Picture("chat-hard-light")
	for selector, want := range map[string]string{
		".user .body": "rtl", "#title": "rtl", ".assistant p:nth-of-type(1)": "ltr", ".assistant p:nth-of-type(2)": "rtl", ".assistant .body > ul": "rtl", ".assistant pre": "ltr",
	} {
		require.Equal(t, want, browser.Eval[string](p, fmt.Sprintf("getComputedStyle(document.querySelector(%q)).direction", selector)), selector)
	}
	require.Equal(t, 0, browser.Eval[int](p, `document.querySelector(".assistant pre").tabIndex`))
	p.Size(390, 844)
	p.Dark()
	p.Fits()
	p.Picture("chat-hard-phone-dark")

	// The code is copied, and nothing else.
	browser.Eval[bool](p, `navigator.clipboard.writeText = async (text) => { window.copied = text; }, true`)
	p.Click(".code button")
	p.Await(`window.copied?.startsWith("func main()") === true`)
	require.NotContains(t, browser.Eval[string](p, "window.copied"), "Copy")
}

// TestChatPageForReaders: readers of screens find names and roles, and what was
// answered; keys do all that a mouse does.
func TestChatPageForReaders(t *testing.T) {
	p := browser.Open(t)
	m := &model{says: "<|channel|>final<|message|>It **is** so.<|return|>"}
	server, _ := start(t, m)
	p.Size(390, 844)
	p.Visit(server.URL + "/")
	p.Write("#prompt", "Is it?\r")
	p.Await(answered + "1")
	p.Await(`document.getElementById("said").textContent === "Answer: It is so."`)
	require.Equal(t, []string{"You", "Answer"}, browser.Eval[[]string](p, `[...document.querySelectorAll("article")].map((e) => e.ariaLabel)`))
	nameless := browser.Eval[[]string](p, `[...document.querySelectorAll("button, input, textarea, select, nav, summary")].
		filter((e) => !(e.ariaLabel || e.innerText || e.textContent || e.labels?.length)).map((e) => e.outerHTML)`)
	require.Empty(t, nameless)
	require.Equal(t, "prompt", browser.Eval[string](p, "document.activeElement.id"), "the next question can be typed")

	// The list opens and closes by keys, and tells which conversation is shown.
	browser.Eval[bool](p, `document.getElementById("menu").focus(), true`)
	p.Press("\r")
	p.Await(`document.getElementById("menu").ariaExpanded === "true" && document.activeElement.id === "close"`)
	require.Equal(t, 1, browser.Eval[int](p, `document.querySelectorAll('#chats [aria-current="true"]').length`))
	p.Press("\x1b")
	p.Await(`document.getElementById("menu").ariaExpanded === "false"`)

	// Escape ends an edit, and the focus is in the composer again.
	browser.Eval[bool](p, `document.querySelector(".user button").focus(), true`)
	p.Press("\r")
	p.Await(`document.activeElement.matches(".turn.user textarea")`)
	p.Press("\x1b")
	p.Await(`document.activeElement.id === "prompt" && document.querySelector(".user .body").textContent === "Is it?"`)
}

// TestChatPageWhileAnswering: a conversation that is answered can be looked away from
// and at again, and nothing of it can be asked anew meanwhile.
func TestChatPageWhileAnswering(t *testing.T) {
	p := browser.Open(t)
	m := &model{says: "<|channel|>final<|message|>One two three four five six<|return|>", before: make(chan struct{})}
	server, _ := start(t, m)
	p.Size(1200, 800)
	p.Visit(server.URL + "/")
	p.Write("#prompt", "Count\r")
	p.Await(`!document.getElementById("stop").hidden`)
	for range 6 {
		m.before <- struct{}{}
	}
	p.Await(`document.querySelector(".assistant .body").innerText.startsWith("One")`)
	p.Click("#chats .name")
	require.False(t, browser.Eval[bool](p, `[...document.querySelectorAll(".asks")].some((e) => e.checkVisibility())`))
	p.Picture("chat-answering")
	close(m.before)
	p.Await(answered + "1")
	require.Equal(t, "One two three four five six", p.Text(".assistant .body"))
}

// TestChatPageServerGone: an answer that the server's end has cut off says so, and the
// page goes on when the server is back.
func TestChatPageServerGone(t *testing.T) {
	p := browser.Open(t)
	m := &model{says: "<|channel|>final<|message|>One two three four five six<|return|>", before: make(chan struct{}, 100)}
	server, _ := start(t, m)
	p.Visit(server.URL + "/")
	p.Write("#prompt", "Count\r")
	for range 6 {
		m.before <- struct{}{}
	}
	p.Await(`document.querySelector(".assistant .body")?.innerText.startsWith("One") === true`)
	server.CloseClientConnections()
	p.Await(`document.querySelector(".assistant .error")?.textContent.startsWith("the server does not answer any more") === true`)
	require.Contains(t, p.Text(".assistant .body"), "One")
	p.Picture("chat-cut-off")
	close(m.before)
	browser.Eval[bool](p, `[...document.querySelectorAll(".assistant button")].find((e) => e.textContent === "Again").click(), true`)
	p.Await(answered + "1")
	require.Equal(t, "One two three four five six", p.Text(".assistant .body"))
}

// TestChatPageErrors: what the server refuses is told below the question.
func TestChatPageErrors(t *testing.T) {
	p := browser.Open(t)
	server, _ := start(t, &model{says: "<|channel|>final<|message|>Hello<|return|>"})
	p.Visit(server.URL + "/")
	browser.Eval[bool](p, `document.getElementById("prompt").value = "word ".repeat(2000), document.getElementById("prompt").dispatchEvent(new Event("input"))`)
	p.Write("#prompt", "\r")
	p.Await(`document.querySelector(".assistant .error")?.textContent.includes("tokens") === true`)
	p.Fits()
	p.Picture("chat-refused")
}

// TestChatPageOfManyMessages: a conversation of a hundred messages is drawn, and asked
// on; a second tab sees it, and neither loses what the other says.
func TestChatPageOfManyMessages(t *testing.T) {
	p := browser.Open(t)
	m := &model{says: "<|channel|>final<|message|>Aye.<|return|>"}
	server, _ := start(t, m)
	m.Room = 100_000
	p.Size(1200, 800)
	p.Visit(server.URL + "/")
	browser.Eval[bool](p, `localStorage.setItem("gptoss-chats", JSON.stringify([{id: "a", at: 1, title: "Long", messages:
		[...Array(100).keys()].map((i) => i % 2 ? {role: "assistant", content: "Answer " + i + "\n\n~~~\ncode\n~~~"} : {role: "user", content: "Question " + i})}])), true`)
	p.Visit(server.URL + "/")
	p.Await(`document.querySelectorAll(".turn").length === 100`)
	require.Less(t, browser.Eval[float64](p, `(({scrollHeight: h, scrollTop: t, clientHeight: c}) => h - t - c)(document.getElementById("scroll"))`), 2.0, "the end is shown")
	p.Write("#prompt", "Once more\r")
	p.Await(answered + "1")
	p.Picture("chat-many")

	// Another tab has saved a conversation.
	browser.Eval[bool](p, `localStorage.setItem("gptoss-chats", JSON.stringify([{id: "b", at: Date.now() + 1000, title: "Of another tab", messages: [{role: "user", content: "x"}]},
		...JSON.parse(localStorage.getItem("gptoss-chats"))])), dispatchEvent(new StorageEvent("storage", {key: "gptoss-chats"})), true`)
	p.Await(`document.querySelectorAll("#chats li").length === 2`)
	require.Equal(t, 102, browser.Eval[int](p, `document.querySelectorAll(".turn").length`))
	p.Write("#prompt", "And again\r")
	p.Await(answered + "2")
	require.Equal(t, 2, browser.Eval[int](p, `JSON.parse(localStorage.getItem("gptoss-chats")).length`))
}
