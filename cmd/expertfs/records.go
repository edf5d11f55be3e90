package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"expertfs"
	"expertfs/fsys/mountpoint"
)

// records are the files that a mount writes beside its work, as they were before it
// was taken down: who takes it down learns here what was lost, since the server's own
// errors at its end are seen by nobody but its log.
type records struct {
	all    []expertfs.Record
	before []os.FileInfo // of each; nil for none
	here   bool          // this process sees the files that the server writes
}

// recordsOf looks at the records of a mount that answers.
func recordsOf(m mountpoint.Mount, server serverProcess) records {
	var s expertfs.Stats
	if server.silent {
		return records{}
	}
	text, err := readControl(m.Point, expertfs.StatsJSONFile)
	if err != nil || json.Unmarshal(text, &s) != nil {
		return records{}
	}
	r := records{all: s.Records, here: server.sharesMounts()}
	for _, record := range s.Records {
		info, err := os.Stat(record.File)
		if err != nil {
			info = nil
		}
		r.before = append(r.before, info)
	}
	return r
}

// lost says what was not written. What is learned is saved anew when a server ends: a
// file that is the same afterwards was not. Ended tells that the server was waited for
// and has ended; one that goes on saves later.
func (r records) lost(ended bool) []string {
	var lost []string
	for i, record := range r.all {
		why := record.Lost
		if record.Option == "heat" && r.here && ended {
			now, err := os.Stat(record.File)
			switch before := r.before[i]; {
			case err != nil && !errors.Is(err, fs.ErrNotExist): // what is there cannot be known
			case err == nil && (before == nil || !os.SameFile(before, now) || !before.ModTime().Equal(now.ModTime())):
				why = ""
			case why == "":
				why = "what was learned was not saved in the end: is the drive full? --log-file keeps the reason"
			}
		}
		if why != "" {
			lost = append(lost, fmt.Sprintf("--%s %s: %s", record.Option, record.File, why))
		}
	}
	return lost
}
