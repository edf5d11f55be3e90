package fsys

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"expertfs"
	"expertfs/fsys/budget"
	"expertfs/tiers"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// control is a file in .expertfs/. Its contents are made when it is opened; a
// write is carried out at once and as a whole, or fails and changes nothing.
type control struct {
	name  string
	read  func(*FS) ([]byte, error) // nil: cannot be read
	write func(*FS, []byte) error   // nil: cannot be written

	// Files about the reader that opens them have these instead. What they show
	// is made anew for each read.
	ofReader  func(*tiers.Reader) []byte
	forReader func(*FS, *tiers.Reader, []byte) error
}

func (c control) readable() bool { return c.read != nil || c.ofReader != nil }
func (c control) writable() bool { return c.write != nil || c.forReader != nil }

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
		{name: expertfs.WarmFile, read: (*FS).readWarm, write: (*FS).writeWarm},
		{name: expertfs.HintsFile, forReader: (*FS).writeHints},
		{name: expertfs.ShareFile, ofReader: share},
		{name: expertfs.LiveFile, read: (*FS).liveText},
	}
}

// mode is the file's permission bits.
func (c control) mode() uint32 {
	switch {
	case !c.writable():
		return 0o444
	case !c.readable():
		return 0o200
	}
	return 0o644
}

// controlFile is an open control file.
type controlFile struct {
	fs      *FS
	control control
	reader  *tiers.Reader // that opened it, for files about readers
	content []byte        // as of the open; empty when opened for writing alone
}

func (*controlFile) release() {}

func (c *controlFile) read(off int64, buf []byte) (fuse.ReadResult, error) {
	content := c.content
	if c.control.ofReader != nil {
		content = c.control.ofReader(c.reader)
	}
	if off < 0 || off >= int64(len(content)) {
		return fuse.ReadResultData(nil), nil
	}
	return fuse.ReadResultData(buf[:copy(buf, content[off:])]), nil
}

// openControl opens a control file. Its reads and writes bypass the page cache,
// so that whoever reads to the end gets all of it, whatever its size. The size
// that stat(2) shows is that of the content opened last, for programs that read
// as much as they were told.
func (f *FS) openControl(id nodeID, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	c := &controlFile{fs: f, control: f.tree.controls[id.index()]}
	if c.control.forReader != nil || c.control.ofReader != nil {
		c.reader = f.readers.of(in.Pid)
	}
	if in.Flags&unix.O_ACCMODE != unix.O_WRONLY {
		if !c.control.readable() {
			return fuse.EACCES
		}
		if c.control.read != nil {
			content, err := c.control.read(f)
			if err != nil {
				return f.status(err)
			}
			c.content = content
		} else {
			c.content = c.control.ofReader(c.reader)
		}
		f.tree.shown[id.index()].Store(int64(len(c.content)))
	}
	out.Fh = f.handles.add(c)
	out.OpenFlags = fuse.FOPEN_DIRECT_IO | fuse.FOPEN_NOFLUSH
	return fuse.OK
}

// Set carries out what a write to a control file of the whole mount would, for
// whoever is in this process: PolicyFile or RAMFile.
func (f *FS) Set(file, text string) error {
	at := slices.IndexFunc(f.tree.controls, func(c control) bool { return c.name == file && c.write != nil })
	switch {
	case at < 0:
		return fmt.Errorf("%s is not a control file that can be written", file)
	case f.options.ReadOnly:
		return fmt.Errorf("%s: the mount is read-only", file)
	}
	err := f.tree.controls[at].write(f, bytes.TrimSpace([]byte(text)))
	if err != nil {
		f.refuse(file, err)
	}
	return err
}

// Write carries out what is written to a control file. Offsets mean nothing:
// each write(2) is a command, or for hints a list of them.
func (f *FS) Write(_ <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	c, ok := f.handles.get(in.Fh).(*controlFile)
	if !ok || !c.control.writable() {
		return 0, fuse.EBADF
	}
	command := bytes.TrimSpace(data)
	var err error
	if c.control.write != nil {
		err = c.control.write(f, command)
	} else {
		err = c.control.forReader(f, c.reader, command)
	}
	if err != nil {
		f.refuse(c.control.name, err)
		return 0, fuse.EINVAL
	}
	return uint32(len(data)), fuse.OK
}

// share shows a reader its share of the budget in bytes.
func share(r *tiers.Reader) []byte { return fmt.Appendf(nil, "%d\n", r.Share()) }

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
	governor := f.options.Governor
	if string(data) == budget.Auto && governor != nil {
		governor.Resume()
		return nil
	}
	n, err := budget.Parse(string(data))
	if err != nil {
		return err
	}
	demand := budget.Demand{
		Budget:  n,
		Experts: int64(f.tree.Layers) * int64(f.tree.Experts) * f.tree.expertSize,
		Dense:   f.cache.DenseBytes(),
	}
	if err := demand.Refuse(); err != nil {
		return err
	}
	set := f.cache.SetBudget
	if governor != nil {
		set = governor.SetByHand
	}
	if err := set(n); err != nil {
		return err
	}
	if doubt := demand.Doubt(); doubt != "" {
		f.log.Warn(doubt)
	}
	return nil
}
