package heat

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"expertfs/policy"
)

// ErrNotLearned says that a file is none of what policies learn. Such a file is
// never replaced.
var ErrNotLearned = errors.New("not a file of what a policy has learned")

// ErrUnreadable says that a file of what a policy has learned is cut off, damaged,
// or of another version. A mount ignores it, with a warning, and replaces it.
var ErrUnreadable = errors.New("cut off, damaged, or of another version of expertfs")

// A file of what a policy has learned is a line of JSON, learnedHeader, then the
// numbers as little-endian float32, then the CRC-32C of all before it, in four
// bytes.
const (
	learnedFormat  = "expertfs learned"
	learnedVersion = 1
	// learnedBegin is how every version's file begins.
	learnedBegin   = `{"format":"` + learnedFormat + `",`
	learnedMaxSize = 1 << 30 // far above what any policy keeps
)

type learnedHeader struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	Model   string `json:"model"`
	Kind    string `json:"kind"`
	Lengths []int  `json:"lengths"` // of the parts, in numbers
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// LoadLearned reads what a policy has learned about a model. It fails with
// fs.ErrNotExist where there is no file yet, or an empty one, with ErrOtherModel,
// ErrUnreadable or ErrNotLearned.
func LoadLearned(path, model string) (policy.Learned, error) {
	none := policy.Learned{}
	if err := checkLearned(path); err != nil {
		return none, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return none, err
	}
	if len(text) == 0 {
		return none, fmt.Errorf("%s: %w", path, fs.ErrNotExist)
	}
	line, numbers, _ := bytes.Cut(text, []byte("\n"))
	var h learnedHeader
	if json.Unmarshal(line, &h) != nil || h.Version != learnedVersion {
		return none, fmt.Errorf("%s: %w", path, ErrUnreadable)
	}
	body := len(text) - crc32.Size
	if len(numbers) < crc32.Size || crc32.Checksum(text[:body], castagnoli) != binary.LittleEndian.Uint32(text[body:]) {
		return none, fmt.Errorf("%s: %w", path, ErrUnreadable)
	}
	if h.Model != model {
		return none, fmt.Errorf("%s: %w", path, ErrOtherModel)
	}
	l := policy.Learned{Kind: h.Kind}
	numbers = numbers[:len(numbers)-crc32.Size]
	for _, n := range h.Lengths {
		if n < 0 || n > len(numbers)/4 {
			return none, fmt.Errorf("%s: %w", path, ErrUnreadable)
		}
		part := make([]float32, n)
		for i := range part {
			part[i] = math.Float32frombits(binary.LittleEndian.Uint32(numbers[4*i:]))
			if x := float64(part[i]); math.IsNaN(x) || math.IsInf(x, 0) {
				return none, fmt.Errorf("%s: %w", path, ErrUnreadable)
			}
		}
		l.Parts, numbers = append(l.Parts, part), numbers[4*n:]
	}
	return l, nil
}

// checkLearned tells whether SaveLearned may write to path: there is no file, an
// empty one, or one that begins like its own.
func checkLearned(path string) error {
	f, err := openNow(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	begin := make([]byte, min(int64(len(learnedBegin)), info.Size()))
	if !info.Mode().IsRegular() || info.Size() > learnedMaxSize {
		return fmt.Errorf("%s: %w", path, ErrNotLearned)
	}
	if _, err := f.ReadAt(begin, 0); err != nil {
		return err
	}
	if !bytes.HasPrefix([]byte(learnedBegin), begin) {
		return fmt.Errorf("%s: %w", path, ErrNotLearned)
	}
	return nil
}

// SaveLearned writes what a policy has learned about a model so that at every
// moment, whatever fails, the path names the whole old or the whole new file. It
// follows a symbolic link, and refuses to replace what is not its own.
func SaveLearned(path, model string, l policy.Learned) error {
	if err := checkLearned(path); err != nil {
		return err
	}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	h := learnedHeader{Format: learnedFormat, Version: learnedVersion, Model: model, Kind: l.Kind}
	total := 0
	for _, part := range l.Parts {
		h.Lengths = append(h.Lengths, len(part))
		total += len(part)
	}
	line, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("write what was learned: %w", err)
	}
	text := append(make([]byte, 0, len(line)+1+4*total+crc32.Size), line...)
	text = append(text, '\n')
	for _, part := range l.Parts {
		for _, x := range part {
			text = binary.LittleEndian.AppendUint32(text, math.Float32bits(x))
		}
	}
	return replace(path, binary.LittleEndian.AppendUint32(text, crc32.Checksum(text, castagnoli)))
}
