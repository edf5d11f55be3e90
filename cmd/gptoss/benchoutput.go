package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/dustin/go-humanize"
)

// benchWriter prints results in one format.
type benchWriter interface {
	write(*benchResult) error
	writeBatched(*batchedRecord) error
	close() error
}

func newBenchWriter(format string, w io.Writer, perLayer bool) (benchWriter, error) {
	switch format {
	case "md":
		return &benchTable{w: w, perLayer: perLayer}, nil
	case "csv":
		return &benchCSV{w: csv.NewWriter(w)}, nil
	case "json":
		return &benchJSON{w: w, array: true}, nil
	case "jsonl":
		return &benchJSON{w: w}, nil
	}
	return nil, usageErrorf("--output %q is not one of md, csv, json, jsonl", format)
}

// benchTable is a Markdown table: llama-bench's columns, then ours.
type benchTable struct {
	w        io.Writer
	perLayer bool
	results  []benchRecord
	begun    bool // the table of batched tests has its head
}

func (b *benchTable) write(r *benchResult) error {
	rec := r.record()
	if len(b.results) == 0 {
		title, rule := "", ""
		if rec.Prefer > 0 {
			title, rule = " substituted/token |", " ---: |"
		}
		if _, err := fmt.Fprint(b.w, "| model | size | params | backend | threads | act | dense | test | t/s | "+
			"hit rate | drive/token | compute | stall | bound | x bound | rest |"+title+"\n"+
			"| --- | ---: | ---: | --- | ---: | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"+rule+"\n"); err != nil {
			return err
		}
	}
	b.results = append(b.results, rec)
	hits := "-"
	if rec.HitRate != nil {
		hits = fmt.Sprintf("%.1f%%", 100**rec.HitRate)
	}
	substituted := ""
	if rec.Prefer > 0 {
		substituted = fmt.Sprintf(" %.1f |", rec.Substituted)
	}
	least, over := "-", "-"
	if rec.BoundNS != nil {
		least, over = fmt.Sprintf("%.1f ms", milli(*rec.BoundNS)), fmt.Sprintf("%.2f", *rec.OverBound)
	}
	_, err := fmt.Fprintf(b.w, "| %s | %s | %s | %s | %d | %s | %s | %s | %.2f ± %.2f | %s | %s | %.1f ms | %.1f ms | %s | %s | %.1f ms |%s\n",
		rec.ModelType, humanize.IBytes(uint64(rec.ModelSize)), humanize.SIWithDigits(float64(rec.ModelParams), 2, ""),
		rec.Backends, rec.Threads, rec.Act, rec.Dense, r.name(), rec.AvgTS, rec.StddevTS,
		hits, humanize.Bytes(uint64(rec.DriveBytes)), milli(rec.ComputeNS), milli(rec.WaitNS), least, over, milli(rec.RestNS), substituted)
	return err
}

func milli(ns int64) float64 { return float64(ns) / 1e6 }

// close prints below the table how good predictions were, by layer and by how many
// layers ahead they were made.
func (b *benchTable) close() error {
	if !b.perLayer || len(b.results) == 0 {
		return nil
	}
	last := b.results[len(b.results)-1]
	var rows strings.Builder
	fmt.Fprint(&rows, "\n| layer | precision | recall |\n| ---: | ---: | ---: |\n")
	for _, p := range last.Prediction {
		fmt.Fprintf(&rows, "| %d | %.1f%% | %.1f%% |\n", p.Layer, 100*p.Precision, 100*p.Recall)
	}
	fmt.Fprint(&rows, "\n| layers ahead | precision | recall | hints a token |\n| ---: | ---: | ---: | ---: |\n")
	for _, p := range last.ByAhead {
		fmt.Fprintf(&rows, "| %d | %.1f%% | %.1f%% | %.1f |\n", p.Ahead, 100*p.Precision, 100*p.Recall, p.Hinted)
	}
	_, err := io.WriteString(b.w, rows.String())
	return err
}

// benchJSON is an array of objects, or one object per line.
type benchJSON struct {
	w       io.Writer
	array   bool
	written int
}

func (b *benchJSON) write(r *benchResult) error { return b.object(r.record()) }

func (b *benchJSON) object(v any) error {
	marshal, before := json.Marshal, ""
	if b.array {
		marshal = func(v any) ([]byte, error) { return json.MarshalIndent(v, "  ", "  ") }
		before = "[\n  "
		if b.written > 0 {
			before = ",\n  "
		}
	}
	text, err := marshal(v)
	if err != nil {
		return err
	}
	if !b.array {
		text = append(text, '\n')
	}
	b.written++
	_, err = fmt.Fprintf(b.w, "%s%s", before, text)
	return err
}

func (b *benchJSON) close() error {
	if !b.array {
		return nil
	}
	end := "\n]\n"
	if b.written == 0 {
		end = "[]\n"
	}
	_, err := io.WriteString(b.w, end)
	return err
}

// benchCSV has the JSON's keys as columns; lists are written as JSON.
type benchCSV struct {
	w      *csv.Writer
	titled bool
}

func (b *benchCSV) write(r *benchResult) error { return b.object(r.record()) }

func (b *benchCSV) object(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	keys, values, err := objectFields(text)
	if err != nil {
		return err
	}
	if !b.titled {
		b.titled = true
		if err := b.w.Write(keys); err != nil {
			return err
		}
	}
	return b.w.Write(values)
}

func (b *benchCSV) close() error {
	b.w.Flush()
	return b.w.Error()
}

// objectFields returns the keys of a JSON object in their order, and the values
// as text.
func objectFields(object []byte) (keys, values []string, err error) {
	dec := json.NewDecoder(strings.NewReader(string(object)))
	if _, err := dec.Token(); err != nil { // the opening brace
		return nil, nil, err
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, nil, err
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, nil, err
		}
		value := string(raw)
		var text string
		if json.Unmarshal(raw, &text) == nil {
			value = text
		}
		keys, values = append(keys, key.(string)), append(values, value)
	}
	return keys, values, nil
}
