package fsys

import (
	"strings"
	"time"
	"unicode"

	"expertfs"
)

// maxReason bounds what is kept of a reason, which may quote what was written.
const maxReason = 500

// refuse logs a refused write and keeps it for stats.
func (f *FS) refuse(file string, err error) {
	f.log.Warn("refused what was written to a control file", "file", file, "err", err)
	f.refused.Store(&expertfs.Refusal{File: file, Reason: oneLine(err.Error()), Time: time.Now().UTC().Truncate(time.Second)})
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
