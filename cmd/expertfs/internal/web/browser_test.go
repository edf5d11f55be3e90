package web

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"expertfs"
	"expertfs/scripts/browser"

	"github.com/stretchr/testify/require"
)

// work has a mount look like one that is read, until the test ends.
func (m *mount) work(t *testing.T) {
	stop := make(chan struct{})
	t.Cleanup(func() { close(stop) })
	go func() {
		r := rand.New(rand.NewPCG(3, 4))
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		layers, experts := m.live.Layers, m.live.Experts
		for layer := 0; ; layer = (layer + 1) % layers {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			m.do(func() {
				c := &m.stats.Cache
				for used := 0; used < 4; {
					e := m.live.At(expertfs.NewKey(layer, r.IntN(experts)))
					if r.IntN(1000)*experts/8 > 4*e.Heat*experts/32 {
						continue
					}
					used++
					e.Uses++
					if e.Place == expertfs.InRAM {
						c.Hits++
						continue
					}
					c.Misses++
					e.Place = expertfs.Loading
					c.OpenWait += 3 * time.Millisecond
					c.BytesRead += 13 << 20
				}
				for e := range experts {
					if x := m.live.At(expertfs.NewKey((layer+layers-3)%layers, e)); x.Place == expertfs.Loading {
						x.Place = expertfs.InRAM
					}
				}
				if layer == 0 {
					m.stats.Readers[0].Tokens++
				}
			})
		}
	}()
}

// TestPage looks at the page in light and dark, on a computer and on a phone.
func TestPage(t *testing.T) {
	p := browser.Open(t)
	m := newMount(36, 128)
	s := listen(t, m, Options{})
	p.Size(1360, 900)
	p.Light()
	p.Visit(s.URL())
	p.Await(`document.getElementById("link").textContent === "live"`)
	require.Equal(t, "gpt-oss-120b", p.Text("#model"))
	require.Contains(t, p.Text("#resident"), "of 4,608")
	require.Equal(t, "forecast", p.Text("#shadows tr.now td"))
	require.Equal(t, 2.0, browser.Eval[float64](p, `document.querySelectorAll("#readers tbody tr").length`))
	m.work(t)
	p.Await(`document.getElementById("tokens").textContent !== "–"`)
	time.Sleep(pictureDelay())
	p.Fits()
	p.Picture("page-light")
	p.Dark()
	p.Fits()
	p.Picture("page-dark")
	p.Size(390, 844)
	p.Fits()
	p.Picture("page-phone-dark")
	p.Light()
	p.Picture("page-phone-light")
}

// TestUseFlashes: a use of an expert is seen as such in its cell.
func TestUseFlashes(t *testing.T) {
	p := browser.Open(t)
	m := newMount(4, 32)
	s := listen(t, m, Options{})
	p.Size(1000, 800)
	p.Light()
	p.Visit(s.URL())
	p.Await(`document.getElementById("link").textContent === "live"`)
	// The colour in the middle of layer 2, expert 5, by the labels' and cells' sizes.
	pixel := `(() => {
		const c = document.querySelector("#grid canvas"), w = (c.clientWidth - 30) / 32;
		const h = (c.clientHeight - 16) / 4, ratio = c.width / c.clientWidth;
		return [...c.getContext("2d").getImageData((30 + 5.4 * w) * ratio, (16 + 2.4 * h) * ratio, 1, 1).data].join();
	})()`
	before := browser.Eval[string](p, pixel)
	require.Equal(t, before, browser.Eval[string](p, pixel))
	m.use(2, 5)
	p.Await(pixel + ` !== "` + before + `"`)
}

func TestSwitches(t *testing.T) {
	p := browser.Open(t)
	m := newMount(4, 32)
	s := listen(t, m, Options{})
	p.Visit(s.URL())
	p.Await(`document.getElementById("link").textContent === "live"`)
	toast := func() string {
		p.Await(`!document.getElementById("toast").hidden`)
		text := p.Text("#toast")
		browser.Eval[bool](p, `document.getElementById("toast").hidden = true`)
		return text
	}
	p.Write("#ram", "6GiB\r")
	require.Equal(t, "the budget is 6GiB now", toast())
	p.Click(`[aria-label="switch to arc"]`)
	require.Equal(t, "evicts by arc now", toast())
	p.Await(`document.getElementById("policy").textContent === "arc"`)
	p.Write("#spec", "bad\r")
	require.Equal(t, "there is no policy of that name", toast())
	m.do(func() { require.Equal(t, []string{"ram=6GiB", "policy=arc"}, m.set) })

	m.do(func() { m.err = errors.New("its server is gone") })
	p.Await(`!document.getElementById("gone").hidden`)
	require.Contains(t, p.Text("#gone"), "its server is gone")
	require.Equal(t, "no mount", p.Text("#link"))
	m.do(func() { m.err = nil })
	p.Await(`document.getElementById("gone").hidden`)
	p.Await(`document.getElementById("link").textContent === "live"`)
}

func TestPageAsksForTheKey(t *testing.T) {
	p := browser.Open(t)
	m := newMount(4, 32)
	s := listen(t, m, Options{Key: "sesame"})
	p.Visit(s.URL())
	p.Await(`document.getElementById("key-dialog").open`)
	p.Write("#key", "wrong\r")
	p.Await(`document.getElementById("key-error").textContent.includes("wrong")`)
	p.Write("#key", "sesame\r")
	p.Await(`document.getElementById("link").textContent === "live"`)
	p.Write("#ram", "7GiB\r")
	p.Await(`document.getElementById("toast").textContent.includes("7GiB")`)
}
