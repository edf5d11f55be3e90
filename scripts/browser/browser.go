// Package browser has the tests of our pages look at them in headless Chromium, and
// at nothing but them: a request to another server fails the test, and so does an
// error in the page's log.
package browser

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// Page is a tab. It belongs to one test.
type Page struct {
	t   testing.TB
	ctx context.Context

	mu     sync.Mutex
	server string   // what all requests must begin with
	faults []string // errors and requests to others
}

// patience bounds a test of a page, against hanging.
const patience = 2 * time.Minute

// Open starts a browser, or skips the test where there is none.
func Open(t testing.TB) *Page {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Skip("chromium is not installed: the page is not looked at (apt-get install chromium)")
	}
	// Root may not have the sandbox, and containers have none; the pages are our own.
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()),
		chromedp.DisableGPU, chromedp.NoSandbox, chromedp.WSURLReadTimeout(patience))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	p := &Page{t: t, ctx: ctx}
	require.NoError(t, chromedp.Listen(ctx, p.event))
	_, err := chromedp.Call(ctx, network.Enable, network.EnableParams{})
	require.NoError(t, err)
	_, err = chromedp.Call(ctx, log.Enable, cdp.Empty{})
	require.NoError(t, err)
	t.Cleanup(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		require.Empty(t, p.faults, "of the page")
	})
	return p
}

// event notes what a page must not do.
func (p *Page) event(e any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := e.(type) {
	case *network.EventRequestWillBeSent:
		url := e.Request.URL
		if !strings.HasPrefix(url, p.server) && !strings.HasPrefix(url, "data:") && !strings.HasPrefix(url, "blob:") {
			p.faults = append(p.faults, "request to "+url)
		}
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			text += " " + e.ExceptionDetails.Exception.Description
		}
		p.faults = append(p.faults, text)
	case *log.EventEntryAdded:
		// A refused request is part of some tests, and shown by the page.
		if e.Entry.Level == log.EntryLevelError && e.Entry.Source != log.EntrySourceNetwork {
			p.faults = append(p.faults, e.Entry.Text)
		}
	}
}

// Do carries out actions.
func (p *Page) Do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	require.NoError(p.t, chromedp.Do(p.ctx, actions...))
}

// Visit opens a page of a server at its root.
func (p *Page) Visit(url string) {
	p.t.Helper()
	p.mu.Lock()
	p.server = url
	p.mu.Unlock()
	p.Do(chromedp.Navigate(url))
}

// Size is that of a window of a computer, or of a phone.
func (p *Page) Size(width, height int64) {
	p.t.Helper()
	p.Do(chromedp.EmulateViewport(width, height))
}

// Dark and Light are what the system prefers.
func (p *Page) Dark()  { p.t.Helper(); p.prefer("dark") }
func (p *Page) Light() { p.t.Helper(); p.prefer("light") }

func (p *Page) prefer(scheme string) {
	features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}
	_, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features})
	require.NoError(p.t, err)
}

// Eval gives what a script does.
func Eval[T any](p *Page, script string) T {
	p.t.Helper()
	value, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](script))
	require.NoError(p.t, err, script)
	return value
}

// Text is that of the first element that a selector finds.
func (p *Page) Text(selector string) string {
	p.t.Helper()
	return strings.TrimSpace(Eval[string](p, fmt.Sprintf("document.querySelector(%q).innerText", selector)))
}

// Await waits until a script gives true.
func (p *Page) Await(script string) {
	p.t.Helper()
	for !Eval[bool](p, script) {
		time.Sleep(10 * time.Millisecond)
	}
}

// Click clicks on the first element that a selector finds.
func (p *Page) Click(selector string) {
	p.t.Helper()
	p.Do(chromedp.Click(chromedp.CSS(selector)))
}

// Write replaces what is in a field by keys that are pressed: \r is Enter.
func (p *Page) Write(selector, keys string) {
	p.t.Helper()
	Eval[bool](p, fmt.Sprintf("document.querySelector(%q).select(), true", selector))
	p.Do(chromedp.SendKeys(chromedp.CSS(selector), keys))
}

// Press presses keys where the focus is.
func (p *Page) Press(keys string) {
	p.t.Helper()
	p.Do(chromedp.KeyEvent(keys))
}

// Fits holds that nothing is wider than the window.
func (p *Page) Fits() {
	p.t.Helper()
	wide := Eval[float64](p, "document.documentElement.scrollWidth - window.innerWidth")
	require.LessOrEqual(p.t, wide, 0.0, "the page is wider than the window")
}

// Picture saves what the window shows in the folder that EXPERTFS_SCREENSHOTS
// names, for somebody to look at.
func (p *Page) Picture(name string) {
	p.t.Helper()
	dir := os.Getenv("EXPERTFS_SCREENSHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(p.ctx, chromedp.FullScreenshot(100))
	require.NoError(p.t, err)
	require.NoError(p.t, os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644))
}
