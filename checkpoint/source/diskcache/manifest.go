package diskcache

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"expertfs/checkpoint/source/remote"
)

// manifest is what a cache knows of its place.
type manifest struct {
	Version int             `json:"version"`
	Place   string          `json:"place"`            // as users name it
	Key     string          `json:"key"`              // tells it from all others
	Wanted  []string        `json:"wanted,omitempty"` // the files of the checkpoint, once they are known
	Listing *remote.Listing `json:"listing"`
}

const manifestVersion = 1

// Names in the folder of a place.
const (
	controlDir   = ".expertfs-cache"
	manifestName = "manifest.json"
	journalName  = "journal"
	lockName     = "lock"
	partSuffix   = ".part"
)

// unfit matches what is left out of the name of a folder.
var unfit = regexp.MustCompile(`[^A-Za-z0-9._]+`)

// folderName is the name of the folder of a place: what people can read of it, and
// what tells it from all others.
func folderName(s remote.Store) string {
	sum := sha256.Sum256([]byte(s.Key()))
	name := strings.Trim(unfit.ReplaceAllString(s.Name(), "-"), "-.")
	return name[:min(len(name), 100)] + "-" + hex.EncodeToString(sum[:6])
}

// readManifest returns nil when there is none.
func readManifest(path string) (*manifest, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	var m manifest
	if err := json.Unmarshal(text, &m); err != nil || m.Listing == nil || m.Version != manifestVersion {
		return nil, fmt.Errorf("%s: damaged, or of another version of this program: remove %s, and it is fetched anew", path, filepath.Dir(filepath.Dir(path)))
	}
	return &m, nil
}

// write makes the manifest durable.
func (m *manifest) write(path string) error {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(path, append(text, '\n'))
}

// replaceFile makes a file have this content, or leaves it as it is.
func replaceFile(path string, content []byte) (err error) {
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(path + ".new") // it may be what fills the drive
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes the names in a folder durable.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
