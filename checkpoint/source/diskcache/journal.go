package diskcache

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// The journal is lines: "+ OFF LEN "NAME" CRC" for a range that is there, "-" for
// one that is no longer. CRC is the CRC-32C of what stands before it, in hexadecimal.
const journalHead = "expertfs journal 1\n"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// record is one line of the journal.
type record struct {
	gone bool
	name string
	extent
}

// append writes a record as a line.
func (r record) append(b []byte) []byte {
	sign := byte('+')
	if r.gone {
		sign = '-'
	}
	at := len(b)
	b = append(b, sign)
	b = fmt.Appendf(b, " %d %d %q", r.lo, r.len(), r.name)
	return fmt.Appendf(b, " %08x\n", crc32.Checksum(b[at:], castagnoli))
}

// parseRecord is the inverse of append, without the end of the line.
func parseRecord(line string) (r record, ok bool) {
	i := strings.LastIndexByte(line, ' ')
	if i < 0 {
		return r, false
	}
	sum, err := strconv.ParseUint(line[i+1:], 16, 32)
	if err != nil || len(line)-i-1 != 8 || uint32(sum) != crc32.Checksum([]byte(line[:i]), castagnoli) {
		return r, false
	}
	fields := strings.SplitN(line[:i], " ", 4)
	if len(fields) != 4 || fields[0] != "+" && fields[0] != "-" {
		return r, false
	}
	off, err1 := strconv.ParseInt(fields[1], 10, 64)
	n, err2 := strconv.ParseInt(fields[2], 10, 64)
	name, err3 := strconv.Unquote(fields[3])
	if errors.Join(err1, err2, err3) != nil || off < 0 || n <= 0 || off+n < off {
		return r, false
	}
	return record{fields[0] == "-", name, extent{off, off + n}}, true
}

// parseJournal reads the records of a journal and tells how many bytes of it are
// good. What follows the end of the last line was being written when the process
// died. A line that is damaged makes the journal one that says nothing which may be
// relied on: it may have said that a range is gone.
func parseJournal(text []byte) (records []record, good int, err error) {
	rest, ok := bytes.CutPrefix(text, []byte(journalHead))
	if !ok {
		return nil, 0, errors.New("no journal of a cache")
	}
	good = len(journalHead)
	for line := range bytes.Lines(rest) {
		text, whole := bytes.CutSuffix(line, []byte("\n"))
		if !whole {
			break
		}
		r, ok := parseRecord(string(text))
		if !ok {
			return nil, 0, fmt.Errorf("the record at byte %d is damaged", good)
		}
		records = append(records, r)
		good += len(line)
	}
	return records, good, nil
}

// replay returns the ranges that are there after all records.
func replay(records []record) map[string]extents {
	have := map[string]extents{}
	for _, r := range records {
		s := have[r.name]
		if r.gone {
			s.remove(r.extent)
		} else {
			s.add(r.extent)
		}
		have[r.name] = s
	}
	return have
}

// readJournal reads a journal; of one that does not exist there are no records.
func readJournal(path string) (records []record, good int, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	} else if err != nil {
		return nil, 0, err
	}
	if len(text) < len(journalHead) && strings.HasPrefix(journalHead, string(text)) {
		return nil, 0, nil // cut short when it was made
	}
	return parseJournal(text)
}

// journal is a journal that is written to, by the keeper alone.
type journal struct{ file *os.File }

// openJournal opens the journal for records after its first good bytes.
func openJournal(path string, good int) (*journal, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = f.Truncate(int64(good))
	if err == nil {
		_, err = f.Seek(int64(good), 0)
	}
	if err == nil && good == 0 {
		_, err = f.WriteString(journalHead)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &journal{f}, nil
}

// write makes records durable. After an error the journal ends where it did.
func (j *journal) write(records ...record) error {
	var b []byte
	for _, r := range records {
		b = r.append(b)
	}
	at, err := j.file.Seek(0, 1)
	if err != nil {
		return err
	}
	if _, err = j.file.Write(b); err == nil {
		err = unix.Fdatasync(int(j.file.Fd()))
	}
	if err != nil {
		_, serr := j.file.Seek(at, 0)
		return errors.Join(err, j.file.Truncate(at), serr)
	}
	return nil
}

func (j *journal) close() error { return j.file.Close() }

// rewriteJournal replaces a journal by one of the same meaning and fewer records.
func rewriteJournal(path string, have map[string]extents) (good int, err error) {
	b := []byte(journalHead)
	for name, s := range have {
		for _, e := range s {
			b = record{false, name, e}.append(b)
		}
	}
	return len(b), replaceFile(path, b)
}
