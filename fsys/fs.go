package fsys

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"expertfs"
	"expertfs/checkpoint"
	"expertfs/fsys/budget"
	"expertfs/fsys/handout"
	"expertfs/tiers"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// Options tell how to mount.
type Options struct {
	AllowOther bool // let other users in; by default only the caller gets in
	ReadOnly   bool // refuse writes to control files too

	// Mechanism is the one to use instead of the best there is.
	Mechanism expertfs.Mechanism

	// Governor moves the budget while nobody has set it by hand; nil for none.
	Governor *budget.Governor

	Remote  Remote                   // nil for a checkpoint of this machine
	Records func() []expertfs.Record // what is written beside; nil for nothing
	Source  string                   // how the checkpoint was named, shown in .expertfs/stats.json
	Version string                   // shown in .expertfs/version
	// Unlogged is why nothing is logged, for those who look at the figures; "" for a log.
	Unlogged string
	Log      *slog.Logger
}

// FS is a mounted filesystem.
type FS struct {
	fuse.RawFileSystem // answers ENOSYS to the operations that a read-only tree has no use for

	cache   *Cache
	ck      *checkpoint.Checkpoint
	tree    *tree
	options Options
	log     *slog.Logger

	mountpoint string
	server     *fuse.Server
	served     chan struct{} // closed when the last request is answered

	mechanism expertfs.Mechanism // set by Init
	why       string
	handout   *handout.Server // nil without a socket
	noSocket  string          // why there is none
	handles   handles
	readers   *readers
	mappings  tiers.Seldom[map[int]int] // experts that each process maps
	unpassed  unpassed
	counters  counters
	refused   atomic.Pointer[expertfs.Refusal] // the last one
	since     time.Time
}

// counters count requests about data files since the mount.
type counters struct {
	opens     atomic.Int64
	reads     atomic.Int64 // answered by this program, so none of passthrough
	readBytes atomic.Int64
	panics    atomic.Int64
}

// Mount mounts the checkpoint at mountpoint, an existing empty directory, and
// returns when the mount serves. Root mounts directly, other users through
// fusermount3. The cache and the checkpoint stay the caller's, to be closed
// after Wait.
func Mount(mountpoint string, c *Cache, ck *checkpoint.Checkpoint, o Options) (*FS, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	f := &FS{
		RawFileSystem: fuse.NewDefaultRawFileSystem(),
		cache:         c,
		ck:            ck,
		tree:          newTree(ck),
		options:       o,
		log:           o.Log,
		mountpoint:    mountpoint,
		served:        make(chan struct{}),
		readers:       newReaders(c.Cache),
		since:         time.Now(),
	}
	f.listen()
	server, err := fuse.NewServer(f, mountpoint, f.mountOptions())
	if err != nil {
		f.hangUp()
		// go-fuse ends some of its messages with a newline.
		return nil, fmt.Errorf("mount %s: %s", mountpoint, strings.TrimSpace(err.Error()))
	}
	f.server = server
	go func() {
		defer close(f.served)
		server.Serve()
	}()
	if err := server.WaitMount(); err != nil {
		err = fmt.Errorf("mount %s: %w", mountpoint, err)
		if left := f.Unmount(); left != nil {
			return nil, errors.Join(err, fmt.Errorf("and cannot take it down: %w", left))
		}
		f.Wait()
		return nil, err
	}
	return f, nil
}

func (f *FS) mountOptions() *fuse.MountOptions {
	o := &fuse.MountOptions{
		AllowOther: f.options.AllowOther,
		Name:       "expertfs",
		// What /etc/fstab has in its first column: by it mount(8) knows what is
		// mounted already.
		FsName: cmp.Or(f.options.Source, f.ck.Name()),
		// As root a missing fusermount3 is no obstacle, and failing to mount is
		// no reason to try it.
		DirectMountStrict: os.Geteuid() == 0,
		MaxWrite:          1 << 20,
		MaxBackground:     64,
		ExtraCapabilities: fuse.CAP_DIRECT_IO_ALLOW_MMAP | fuse.CAP_EXPORT_SUPPORT,
		// Splicing replies of this size fails, with a line in the log for each.
		DisableSplice: true,
		Logger:        slog.NewLogLogger(f.log.Handler(), slog.LevelWarn),
		PanicHandler:  f.recovered,
	}
	if f.log.Enabled(context.Background(), slog.LevelDebug) {
		o.Debug = true // each request and its reply; the library has one logger for all it says
		o.Logger = slog.NewLogLogger(newSampled(f.log.Handler()), slog.LevelDebug)
	}
	if f.options.ReadOnly {
		o.Options = append(o.Options, "ro")
	}
	return o
}

// recovered answers a request whose handling has panicked.
func (f *FS) recovered(reason any) fuse.Status {
	f.counters.panics.Add(1)
	f.log.Error("panic while handling a request", "panic", reason, "stack", string(debug.Stack()))
	return fuse.EIO
}

// String implements fuse.RawFileSystem.
func (f *FS) String() string { return "expertfs" }

// Init learns what the kernel can do. It runs before the first request.
func (f *FS) Init(server *fuse.Server) {
	f.mechanism, f.why = chooseMechanism(server, server.KernelSettings().Flags64(), f.options.Mechanism)
	if f.mechanism == expertfs.Passthrough {
		f.cache.backings.connect(server)
	}
	f.log.Info("mounted", "point", f.mountpoint, "checkpoint", f.options.Source, "model", f.ck.Name(), "ram", f.cache.Budget(),
		"policy", f.cache.PolicySpec(), "mechanism", f.mechanism, "why", f.why, "version", f.options.Version)
}

// Wait returns when the filesystem is unmounted and the last request answered,
// and everything that readers held is released.
func (f *FS) Wait() {
	<-f.served
	f.hangUp()
	f.handles.removeAll()
	f.readers.close()
	if f.mechanism == expertfs.Passthrough {
		f.cache.backings.disconnect()
	}
}

// Unmount takes the mount down. It fails, and the mount goes on, while files
// are open or mapped on it.
func (f *FS) Unmount() error { return f.server.Unmount() }

// resident tells whether an expert is in RAM.
func (f *FS) resident(k expertfs.Key) bool { return f.cache.Expert(k).Tier == "ram" }
