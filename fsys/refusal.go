package fsys

import (
	"strings"
	"time"
	"unicode"
)

// Refusal is what a control file refused to carry out. The writer learns no more
// of it than EINVAL, and the log may be out of his sight, so stats shows it.
type Refusal struct {
	File   string    `json:"file"` // name of the control file
	Reason string    `json:"reason"`
	Time   time.Time `json:"time"`
}

// maxReason bounds what is kept of a reason, which may quote what was written.
const maxReason = 500

// refuse logs a refused write and keeps it for stats.
func (f *FS) refuse(file string, err error) {
	f.log.Warn("refused what was written to a control file", "file", file, "err", err)
	f.refused.Store(&Refusal{file, oneLine(err.Error()), time.Now().UTC().Truncate(time.Second)})
}

// oneLine makes text fit a line of stats.
func oneLine(text string) string {
	short := strings.ToValidUTF8(text[:min(len(text), maxReason)], "")
	if len(short) < len(text) {
		short += "..."
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, short)
}
