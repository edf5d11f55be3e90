package mirror

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// stopped is a clock that only the test moves on.
type stopped struct{ t time.Time }

func (c *stopped) now() time.Time       { return c.t }
func (c *stopped) pass(d time.Duration) { c.t = c.t.Add(d) }

// twoDrives makes a set without files, and a file with a copy on each drive.
func twoDrives(c *stopped) (*Set, *file) {
	s := New(nil, "a", "b")
	s.now = c.now
	f := &file{set: s, name: name}
	for _, d := range s.drives {
		f.copies = append(f.copies, &copied{file: f, drive: d})
	}
	return s, f
}

// simulate reads pieces from drives of these speeds and delays, with so many reads under
// way, each drive one after the other, and returns the bytes of each and how long it took.
func simulate(s *Set, f *file, c *stopped, speeds [2]float64, delays [2]time.Duration, pieces int, n int64, workers int) (bytes [2]int64, took time.Duration) {
	type read struct {
		ch  choice
		end time.Time
	}
	var flying []read
	var busy [2]time.Time // until when a drive has reads before
	begin := c.now()
	for started := 0; started < pieces || len(flying) > 0; {
		if started < pieces && len(flying) < workers {
			ch, ok := s.choose(f, bulk, n, make([]bool, 2))
			if !ok {
				panic("no copy")
			}
			d := 0
			if ch.drive == s.drives[1] {
				d = 1
			}
			from := c.now()
			if busy[d].After(from) {
				from = busy[d]
			}
			busy[d] = from.Add(time.Duration(float64(n) / speeds[d] * float64(time.Second)))
			flying = append(flying, read{ch, busy[d].Add(delays[d])})
			bytes[d] += n
			started++
			continue
		}
		first := 0
		for i := range flying {
			if flying[i].end.Before(flying[first].end) {
				first = i
			}
		}
		r := flying[first]
		flying = append(flying[:first], flying[first+1:]...)
		c.pass(max(0, r.end.Sub(c.now())))
		s.ended(r.ch, served, nil)
	}
	return bytes, c.now().Sub(begin)
}

// The pieces of experts are divided by speed, so that both drives finish together.
func TestBytesAreDividedBySpeed(t *testing.T) {
	for name, speeds := range map[string][2]float64{
		"equal":         {100e6, 100e6},
		"twice":         {200e6, 100e6},
		"a third":       {1e9, 3e9},
		"ten times":     {2e9, 200e6},
		"slow and slow": {20e6, 30e6},
	} {
		t.Run(name, func(t *testing.T) {
			c := &stopped{t: time.Now()}
			s, f := twoDrives(c)
			delays := [2]time.Duration{50 * time.Microsecond, 50 * time.Microsecond}
			simulate(s, f, c, speeds, delays, 100, 512<<10, 12) // it learns
			bytes, took := simulate(s, f, c, speeds, delays, 1000, 512<<10, 12)
			best := time.Duration(float64(bytes[0]+bytes[1]) / (speeds[0] + speeds[1]) * float64(time.Second))
			t.Log(bytes, took, best)
			require.Less(t, took, best*11/10)
			// One expert alone, of 13 MB.
			bytes, took = simulate(s, f, c, speeds, delays, 26, 512<<10, 12)
			best = time.Duration(float64(bytes[0]+bytes[1]) / (speeds[0] + speeds[1]) * float64(time.Second))
			t.Log(bytes, took, best)
			piece := time.Duration(512 << 10 / min(speeds[0], speeds[1]) * float64(time.Second))
			require.Less(t, took, best+piece)
		})
	}
}

// Small reads go to the drive that answers first.
func TestSmallReadsGoToTheQuickerDrive(t *testing.T) {
	c := &stopped{t: time.Now()}
	s, f := twoDrives(c)
	speeds, delays := [2]float64{200e6, 2e9}, [2]time.Duration{8 * time.Millisecond, 80 * time.Microsecond}
	simulate(s, f, c, speeds, delays, 50, 4096, 1)
	bytes, _ := simulate(s, f, c, speeds, delays, 200, 4096, 1)
	require.Less(t, bytes[0], bytes[1]/50)
}

// A drive that was slow and no longer is has its part again.
func TestADriveThatIsFasterNowIsFoundOut(t *testing.T) {
	c := &stopped{t: time.Now()}
	s, f := twoDrives(c)
	var delays [2]time.Duration
	simulate(s, f, c, [2]float64{1e9, 1e6}, delays, 200, 512<<10, 2)
	for range 10 {
		c.pass(askAgain + time.Second)
		simulate(s, f, c, [2]float64{1e9, 1e9}, delays, 100, 512<<10, 12)
	}
	bytes, _ := simulate(s, f, c, [2]float64{1e9, 1e9}, delays, 1000, 512<<10, 12)
	require.Greater(t, bytes[1], bytes[0]/2)
}

// A read that took long by an accident does not keep its drive from its part.
func TestAnAccidentIsForgotten(t *testing.T) {
	c := &stopped{t: time.Now()}
	s, f := twoDrives(c)
	speeds, delays := [2]float64{1e9, 1e9}, [2]time.Duration{50 * time.Microsecond, 50 * time.Microsecond}
	simulate(s, f, c, speeds, delays, 200, 512<<10, 12)
	simulate(s, f, c, speeds, [2]time.Duration{0, 200 * time.Millisecond}, 12, 512<<10, 12)
	bytes, _ := simulate(s, f, c, speeds, delays, 1000, 512<<10, 12)
	t.Log(bytes)
	require.Greater(t, bytes[1], bytes[0]*2/3)
}

func TestPatience(t *testing.T) {
	now := time.Now()
	var p patience
	require.True(t, p.serves(now))
	for _, wait := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		wait *= time.Second
		before := p.epoch
		p.leave(now, before)
		p.leave(now, before) // a read beside it tells the same
		require.False(t, p.serves(now.Add(wait-1)))
		require.False(t, p.good(before), "that was read before it failed")
		now = now.Add(wait)
		require.True(t, p.serves(now))
		p.try(now)
		require.False(t, p.serves(now), "one read tries it")
	}
	require.True(t, p.good(p.epoch))
	require.True(t, p.serves(now))
	p.leave(now, p.epoch)
	require.True(t, p.serves(now.Add(time.Second)), "no longer a minute")
}
