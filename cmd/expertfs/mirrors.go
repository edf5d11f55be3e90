package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"expertfs/checkpoint"
	"expertfs/checkpoint/source"
	"expertfs/checkpoint/source/mirror"
)

// sameDrive warns of mirrors that add nothing.
func sameDrive(ck *checkpoint.Checkpoint) (warnings []string) {
	m := ck.Mirrors()
	if m == nil {
		return nil
	}
	for _, dir := range m.SameDrive() {
		warnings = append(warnings, fmt.Sprintf("the mirror %s is on the filesystem of the checkpoint: reads are no faster, and a drive that fails takes both", dir))
	}
	return warnings
}

// checkedMirror is a copy of a checkpoint that is one.
type checkedMirror struct {
	Dir     string   `json:"dir"`
	Files   int      `json:"files"`   // with weights, that it has
	Missing []string `json:"missing"` // those it has not
}

// describeMirrors tells what mirrors have.
func describeMirrors(ck *checkpoint.Checkpoint) (all []checkedMirror) {
	m := ck.Mirrors()
	if m == nil {
		return nil
	}
	for i, name := range m.Names()[1:] {
		c := checkedMirror{Dir: name, Missing: []string{}}
		for _, f := range ck.Files() {
			if m.Has(i+1, f) {
				c.Files++
			} else {
				c.Missing = append(c.Missing, f.Name())
			}
		}
		all = append(all, c)
	}
	return all
}

// compareMirrors reads the checkpoint and its copies and returns what differs, with the
// tensor that it is in.
func compareMirrors(ctx context.Context, ck *checkpoint.Checkpoint) (problems []error) {
	m := ck.Mirrors()
	if m == nil {
		return nil
	}
	bar := newByteBar(m.CompareBytes(ck.Files()), "comparing copies")
	defer bar.Finish()
	for _, err := range m.Compare(ctx, ck.Files(), func(n int) { bar.Add(n) }) {
		if d, ok := err.(*mirror.Difference); ok {
			err = fmt.Errorf("%w%s", err, tensorAt(ck, d.File, d.Off))
		}
		problems = append(problems, err)
	}
	return problems
}

// tensorAt names the tensor at an offset of a file.
func tensorAt(ck *checkpoint.Checkpoint, f source.Source, off int64) string {
	for t := range ck.Stored() {
		if ck.Files()[t.File] == f && t.Off <= off && off < t.Off+t.Len {
			return fmt.Sprintf(" (in tensor %q)", t.Name)
		}
	}
	return ""
}

// printMirrors writes what mirrors have.
func printMirrors(out io.Writer, mirrors []checkedMirror) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, m := range mirrors {
		fmt.Fprintf(w, "mirror\t%s, %d of %d files", m.Dir, m.Files, m.Files+len(m.Missing))
		for i, name := range m.Missing {
			fmt.Fprint(w, map[bool]string{true: "; not ", false: ", "}[i == 0], name)
			if i == 4 && len(m.Missing) > 6 {
				fmt.Fprintf(w, " and %d more", len(m.Missing)-5)
				break
			}
		}
		fmt.Fprintln(w)
	}
	return w.Flush()
}
