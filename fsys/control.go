package fsys

import (
	"bytes"
	"fmt"
	"strings"

	"expertfs"
	"expertfs/fsys/budget"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// control is a file in .expertfs/. Its contents are made when it is opened; a
// write is carried out at once and as a whole, or fails and changes nothing.
type control struct {
	name  string
	read  func(*FS) ([]byte, error) // nil: cannot be read
	write func(*FS, []byte) error   // nil: cannot be written
}

// controls lists the control files in the order of their node ids.
func controls() []control {
	return []control{
		{name: expertfs.StatsFile, read: (*FS).statsText},
		{name: expertfs.StatsJSONFile, read: (*FS).statsJSON},
		{name: expertfs.ExpertsFile, read: (*FS).expertsTable},
		{name: expertfs.HeatmapFile, read: (*FS).heatmap},
		{name: expertfs.VersionFile, read: (*FS).versionText},
		{name: expertfs.PolicyFile, read: (*FS).readPolicy, write: (*FS).writePolicy},
		{name: expertfs.RAMFile, read: (*FS).readRAM, write: (*FS).writeRAM},
		{name: expertfs.HintsFile, write: (*FS).writeHints},
	}
}

// mode is the file's permission bits.
func (c control) mode() uint32 {
	switch {
	case c.write == nil:
		return 0o444
	case c.read == nil:
		return 0o200
	}
	return 0o644
}

// controlFile is an open control file.
type controlFile struct {
	fs      *FS
	control control
	content []byte // as of the open; empty when opened for writing alone
}

func (*controlFile) release() {}

func (c *controlFile) read(off int64, buf []byte) (fuse.ReadResult, error) {
	if off < 0 || off >= int64(len(c.content)) {
		return fuse.ReadResultData(nil), nil
	}
	return fuse.ReadResultData(buf[:copy(buf, c.content[off:])]), nil
}

// openControl opens a control file. Its reads and writes bypass the page cache,
// so that its size, which stat(2) shows as 0, does not matter.
func (f *FS) openControl(id nodeID, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	c := &controlFile{fs: f, control: f.tree.controls[id.index()]}
	if in.Flags&unix.O_ACCMODE != unix.O_WRONLY {
		if c.control.read == nil {
			return fuse.EACCES
		}
		content, err := c.control.read(f)
		if err != nil {
			return f.status(err)
		}
		c.content = content
	}
	out.Fh = f.handles.add(c)
	out.OpenFlags = fuse.FOPEN_DIRECT_IO | fuse.FOPEN_NOFLUSH
	return fuse.OK
}

// Write carries out what is written to a control file. Offsets mean nothing:
// each write(2) is a command, or for hints a list of them.
func (f *FS) Write(_ <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	c, ok := f.handles.get(in.Fh).(*controlFile)
	if !ok || c.control.write == nil {
		return 0, fuse.EBADF
	}
	if err := c.control.write(f, bytes.TrimSpace(data)); err != nil {
		f.refuse(c.control.name, err)
		return 0, fuse.EINVAL
	}
	return uint32(len(data)), fuse.OK
}

func (f *FS) versionText() ([]byte, error) { return []byte(f.options.Version + "\n"), nil }

func (f *FS) readPolicy() ([]byte, error) { return []byte(f.cache.PolicySpec() + "\n"), nil }

func (f *FS) writePolicy(data []byte) error {
	spec := string(data)
	if spec == "" || strings.ContainsAny(spec, " \t\n") {
		return fmt.Errorf("want one policy, NAME or NAME:key=value,..., not %q", spec)
	}
	return f.cache.SetPolicy(spec)
}

// readRAM shows the budget as writeRAM reads it.
func (f *FS) readRAM() ([]byte, error) {
	return []byte(expertfs.FormatSize(f.cache.Budget()) + "\n"), nil
}

func (f *FS) writeRAM(data []byte) error {
	n, err := budget.Parse(string(data))
	if err != nil {
		return err
	}
	if err := f.cache.SetBudget(n); err != nil {
		return err
	}
	if doubt := budget.Doubt(n); doubt != "" {
		f.log.Warn(doubt)
	}
	return nil
}
