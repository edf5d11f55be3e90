package synth

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"expertfs/checkpoint/config"
	"expertfs/checkpoint/layout"

	"github.com/dustin/go-humanize"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// Options tells what to write.
type Options struct {
	Config     *config.Config
	Layout     *layout.Layout // nil is OpenAI's
	Seed       uint64
	ShardBytes int64           // begin a new file before this many bytes; 0 for one file
	Workers    int             // 0 for one a CPU
	Progress   func(bytes int) // called after each write, by several goroutines; may be nil
}

// Size returns how many bytes of weights Write makes.
func Size(o Options) (int64, error) {
	shards, err := plan(&o)
	return totalSize(shards), err
}

// chunk is the unit of work: large enough for the disk, and with one for
// each worker all the memory that is used.
const chunk = 4 << 20

// reserve is what must remain free on the disk, bytes.
const reserve = 16 << 20

// Write makes a checkpoint in dir, which is created, or empty. When it fails or
// ctx ends it removes what it made; the error says so where it cannot.
func Write(ctx context.Context, dir string, o Options) (err error) {
	shards, err := plan(&o)
	if err != nil {
		return err
	}
	made, err := prepare(dir, totalSize(shards))
	if err != nil {
		return err
	}
	var written []string
	defer func() {
		if err != nil {
			err = cleanUp(err, dir, made, written)
		}
	}()
	for _, s := range shards {
		path := filepath.Join(dir, s.name)
		written = append(written, path)
		if err := s.write(ctx, path, &o); err != nil {
			return err
		}
	}
	texts, err := o.texts(shards)
	if err != nil {
		return err
	}
	for name, text := range texts {
		path := filepath.Join(dir, name)
		written = append(written, path)
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// texts returns the small files by name.
func (o *Options) texts(shards []shard) (map[string][]byte, error) {
	text, err := o.Layout.EncodeConfig(o.Config)
	if err != nil {
		return nil, err
	}
	texts := map[string][]byte{layout.ConfigName: text}
	if o.Layout.Indexed && len(shards) > 1 {
		texts[layout.IndexName], err = indexFile(shards)
	}
	return texts, err
}

// prepare makes sure that dir is an empty folder with room for size bytes, and
// tells whether it made it.
func prepare(dir string, size int64) (made bool, err error) {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		made = true
		if err := os.Mkdir(dir, 0o755); err != nil {
			return false, err
		}
	case err != nil:
		return false, err
	case len(entries) > 0:
		return false, fmt.Errorf("%s: is not empty: give a new folder", dir)
	}
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return made, cleanUp(&os.PathError{Op: "statfs", Path: dir, Err: err}, dir, made, nil)
	}
	if free := int64(st.Bavail) * st.Bsize; free < size+reserve {
		err := fmt.Errorf("%s: needs %s, but the disk has %s free", dir, humanize.IBytes(uint64(size)), humanize.IBytes(uint64(free)))
		return made, cleanUp(err, dir, made, nil)
	}
	return made, nil
}

// cleanUp removes files after a failure, and the folder if it was made. It returns the
// failure, with what could not be removed.
func cleanUp(failure error, dir string, made bool, files []string) error {
	if made {
		files = append(files, dir)
	}
	for _, f := range files {
		if err := os.Remove(f); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failure = fmt.Errorf("%w (and %s could not be removed: %w)", failure, f, err)
		}
	}
	return failure
}

// write makes one file.
func (s *shard) write(ctx context.Context, path string, o *Options) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	// Space that is asked for at once is contiguous, and what is missing is known
	// before the work is done. Not all filesystems can.
	err = unix.Fallocate(int(f.Fd()), 0, 0, s.size)
	if err != nil && !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.ENOSYS) {
		return &os.PathError{Op: "allocate", Path: path, Err: err}
	}
	if _, err := f.Write(s.header); err != nil {
		return err
	}
	if err := s.writeTensors(ctx, f, o); err != nil {
		return err
	}
	return f.Close()
}

// job is a piece of a tensor: the bytes from begin on of the part that words
// make, for offset in the file.
type job struct {
	words  words
	begin  int64
	offset int64
	length int64
}

// writeTensors fills the file in, with all workers.
func (s *shard) writeTensors(ctx context.Context, f *os.File, o *Options) error {
	workers := o.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	jobs := make(chan job)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(jobs)
		return s.cut(ctx, o, jobs)
	})
	for range workers {
		group.Go(func() error {
			buf := make([]byte, chunk)
			for j := range jobs {
				piece := buf[:j.length]
				j.words.fill(piece, j.begin)
				if _, err := f.WriteAt(piece, j.offset); err != nil {
					return err
				}
				if o.Progress != nil {
					o.Progress(len(piece))
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// cut sends the tensors in pieces of at most chunk bytes.
func (s *shard) cut(ctx context.Context, o *Options, jobs chan<- job) error {
	for _, t := range s.tensors {
		w := contents(o.Config, o.Seed, t.Part)
		for at := int64(0); at < t.length; at += chunk {
			select {
			case jobs <- job{w, t.Begin + at, t.offset + at, min(chunk, t.length-at)}:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}
	return nil
}
