package main

import (
	"encoding/json"
	"fmt"
	"os"

	"expertfs"
	"expertfs/fsys/mountpoint"
)

// records are the files that a mount writes beside its work, as they were before it
// was taken down: who takes it down learns here what was lost, since the server's own
// errors at its end are seen by nobody but its log.
type records struct {
	all  []expertfs.Record
	heat os.FileInfo // nil for none
	ends bool        // the server's end is waited for
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
	r := records{all: s.Records, ends: server.pid != 0}
	for _, record := range s.Records {
		if record.Option == "heat" {
			r.heat, _ = os.Stat(record.File)
		}
	}
	return r
}

// lost says what was not written. What is learned is saved anew when a server ends: a
// file that is the same afterwards was not.
func (r records) lost() []string {
	var lost []string
	for _, record := range r.all {
		why := record.Lost
		if record.Option == "heat" && r.ends {
			now, err := os.Stat(record.File)
			switch {
			case err == nil && (r.heat == nil || !os.SameFile(r.heat, now) || !r.heat.ModTime().Equal(now.ModTime())):
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
