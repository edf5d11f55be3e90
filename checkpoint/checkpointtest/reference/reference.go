// Package reference is what tests compare with and did not make themselves: results
// of OpenAI's own code, and routing of the real model. Testdata holds it compressed;
// README.md says where each part comes from and under which licence.
package reference

import (
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Path returns the file or folder of that name below testdata, unpacked for the time
// of the test. It fails the test if there is none: nobody tests less than they think.
func Path(t testing.TB, name string) string {
	t.Helper()
	packed := filepath.Join(folder(t), filepath.FromSlash(name))
	if _, err := os.Stat(packed); err != nil {
		packed += suffix
	}
	plain := filepath.Join(t.TempDir(), strings.TrimSuffix(filepath.Base(packed), suffix))
	err := filepath.WalkDir(packed, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		below, err := filepath.Rel(packed, path)
		if err != nil {
			return err
		}
		to := filepath.Join(plain, strings.TrimSuffix(below, suffix))
		if d.IsDir() {
			return os.Mkdir(to, 0o755)
		}
		return unpack(to, path)
	})
	if err != nil {
		t.Fatalf("reference data %s: %v", name, err)
	}
	return plain
}

// Recordings returns the names of the files with routing of gpt-oss-20b that match
// a pattern of path.Match, in order. They are compressed, as such files may be.
func Recordings(t testing.TB, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder(t), "gpt-oss-20b", pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("no recorded routing is called %s (%v)", pattern, err)
	}
	return files
}

const suffix = ".gz"

// folder finds testdata from the folder of whichever package is under test.
func folder(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, "checkpoint", "checkpointtest", "reference", "testdata")
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Fatal("reference data is found from inside of the source tree only")
		}
		dir = up
	}
}

func unpack(to, from string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	plain, err := gzip.NewReader(in)
	if err != nil {
		return err
	}
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, plain)
	return errors.Join(err, out.Close())
}
