package bench

import (
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"expertfs"
	"expertfs/checkpoint"
)

// Mount is the mount that is measured. Its experts are numbered layer by layer.
type Mount struct {
	point   string
	ck      *checkpoint.Checkpoint
	layers  int
	experts int // of each layer
	size    int // of an expert, in bytes
	first   *expertfs.Stats
}

// openMount looks at the mount at point. The checkpoint that it shows is read
// for the limits and for what is right.
func openMount(point string) (*Mount, error) {
	m := &Mount{point: point}
	r, err := m.report()
	if err != nil {
		return nil, err
	}
	m.layers, m.experts, m.size, m.first = r.Layers, r.Experts, int(r.ExpertSize), r
	if m.ck, err = checkpoint.Open(r.Checkpoint); err != nil {
		return nil, fmt.Errorf("the checkpoint behind the mount: %w", err)
	}
	return m, nil
}

func (m *Mount) close() error { return m.ck.Close() }

// total is the number of experts.
func (m *Mount) total() int { return m.layers * m.experts }

// open implements source.
func (m *Mount) open(e int) (opened, error) { return files(m.path).open(e) }

// path is the file of expert e.
func (m *Mount) path(e int) string {
	return filepath.Join(m.point, m.names().ExpertPath(m.key(e)))
}

// key is the identity of expert e.
func (m *Mount) key(e int) expertfs.Key { return expertfs.NewKey(e/m.experts, e%m.experts) }

func (m *Mount) names() expertfs.Names { return expertfs.Names{Layers: m.layers, Experts: m.experts} }

func (m *Mount) control(name string) string {
	return filepath.Join(m.point, expertfs.ControlPath(name))
}

// report reads the mount's figures.
func (m *Mount) report() (*expertfs.Stats, error) { return expertfs.ReadStats(m.point) }

// resident tells of each expert whether it is in RAM.
func (m *Mount) resident() ([]bool, error) {
	text, err := os.ReadFile(m.control(expertfs.ExpertsFile))
	if err != nil {
		return nil, err
	}
	table := csv.NewReader(strings.NewReader(string(text)))
	table.Comma = '\t'
	rows, err := table.ReadAll()
	if err != nil || len(rows) != 1+m.total() {
		return nil, errors.Join(fmt.Errorf("%s has %d lines, want %d", expertfs.ExpertsFile, len(rows), 1+m.total()), err)
	}
	in := make([]bool, m.total())
	for e, row := range rows[1:] {
		in[e] = row[2] == "ram"
	}
	return in, nil
}

// setRAM changes the mount's budget to a size, or to budget.Auto.
func (m *Mount) setRAM(to string) error {
	if err := os.WriteFile(m.control(expertfs.RAMFile), []byte(to), 0); err != nil {
		return fmt.Errorf("set the mount's RAM budget to %s: %w", to, err)
	}
	return nil
}

// setPolicy changes the mount's policy.
func (m *Mount) setPolicy(spec string) error {
	if err := os.WriteFile(m.control(expertfs.PolicyFile), []byte(spec), 0); err != nil {
		return fmt.Errorf("set the mount's policy to %s: %w", spec, err)
	}
	return nil
}

// view is where expert e lies in the checkpoint.
func (m *Mount) view(e int) *checkpoint.View { return m.ck.Expert(m.key(e)) }

// content reads expert e from the checkpoint into buf, which has its size.
func (m *Mount) content(e int, buf []byte) error {
	return m.ck.Read(m.view(e), buf, 0)
}
