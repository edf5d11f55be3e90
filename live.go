package expertfs

import (
	"fmt"
	"strconv"
	"strings"
)

// Live is the content of LiveFile: where each expert is now, and how it has been
// used. Two of them, some time apart, tell what was used in between. It is made in
// some ten microseconds, so that a watcher may ask ten times a second.
//
//	live   = { "#" comment "\n" } { layer "\n" }
//	layer  = expert { " " expert }
//	expert = place uses ":" heat
//
// Each line is a layer, each word an expert, as in "r120:340".
type Live struct {
	Names
	All []LiveExpert // layer by layer; At finds one
}

// LiveExpert is one expert of a Live.
type LiveExpert struct {
	Place Place
	Uses  int64 // since the mount, as CacheStats counts them
	Heat  int   // of 1000 steps of its layer, in how many it was used, lately; 0 for a layer without steps
}

// Place is where an expert is.
type Place byte

// The places.
const (
	OnDrive   Place = 'd'
	InRAM     Place = 'r'
	Loading   Place = 'l' // an open waits for it
	ReadAhead Place = 'a' // on its way into RAM, and nobody waits
)

const liveHeader = "# a line for each layer, a word for each expert: r in RAM, d on the drive, l loading, a read ahead; uses; of 1000 steps how many\n"

// NewLive makes the Live of a model of which nothing was used.
func NewLive(n Names) *Live {
	l := &Live{Names: n, All: make([]LiveExpert, n.Layers*n.Experts)}
	for i := range l.All {
		l.All[i].Place = OnDrive
	}
	return l
}

// At is the expert k, which must be the model's.
func (l *Live) At(k Key) *LiveExpert {
	return &l.All[int(k.Layer)*l.Experts+int(k.Expert)]
}

// AppendText appends the text of LiveFile to dst.
func (l *Live) AppendText(dst []byte) ([]byte, error) {
	dst = append(dst, liveHeader...)
	for i, e := range l.All {
		dst = append(dst, byte(e.Place))
		dst = strconv.AppendInt(dst, e.Uses, 10)
		dst = append(dst, ':')
		dst = strconv.AppendInt(dst, int64(e.Heat), 10)
		end := byte(' ')
		if (i+1)%l.Experts == 0 {
			end = '\n'
		}
		dst = append(dst, end)
	}
	return dst, nil
}

// ParseLive is the inverse of AppendText.
func ParseLive(text string) (*Live, error) {
	l := &Live{}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		before := len(l.All)
		for word := range strings.FieldsSeq(line) {
			e, err := parseLiveExpert(word)
			if err != nil {
				return nil, fmt.Errorf("layer %d: %w", l.Layers, err)
			}
			l.All = append(l.All, e)
		}
		n := len(l.All) - before
		if n == 0 || l.Layers > 0 && n != l.Experts {
			return nil, fmt.Errorf("layer %d has %d experts", l.Layers, n)
		}
		l.Layers, l.Experts = l.Layers+1, n
	}
	if l.Layers == 0 {
		return nil, fmt.Errorf("no layers")
	}
	return l, nil
}

func parseLiveExpert(word string) (e LiveExpert, err error) {
	uses, heat, ok := strings.Cut(word[1:], ":")
	if e.Place = Place(word[0]); e.Place < 'a' || e.Place > 'z' {
		return e, fmt.Errorf("%q is not an expert: a place is a small letter", word)
	}
	if e.Uses, err = strconv.ParseInt(uses, 10, 64); err != nil || e.Uses < 0 || !ok {
		return e, fmt.Errorf("%q is not an expert: want PLACE USES : HEAT", word)
	}
	if e.Heat, err = strconv.Atoi(heat); err != nil || e.Heat < 0 || e.Heat > 1000 {
		return e, fmt.Errorf("%q is not an expert: heat is from 0 to 1000", word)
	}
	return e, nil
}

// ReadLive reads LiveFile of the mount at root, ErrNotMounted for a plain folder.
func ReadLive(root string) (*Live, error) {
	text, path, err := readControl(root, LiveFile)
	if err != nil {
		return nil, err
	}
	l, err := ParseLive(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return l, nil
}
