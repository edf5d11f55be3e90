package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"expertfs"
	"expertfs/checkpoint/format"
	"expertfs/checkpoint/source"
)

// originalDir is where the published repositories keep OpenAI's layout, beside
// the tokenizer and Hugging Face's layout.
const originalDir = "original"

// tokenizerFiles are looked for beside original/, which has none of them.
var tokenizerFiles = []string{
	"chat_template.jinja", "generation_config.json", "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json",
}

// resolvePath finds the places that a path may mean: the folder and its
// original/, or those of the snapshots in Hugging Face's cache.
func resolvePath(where string) ([]*format.Place, error) {
	dir, err := filepath.Abs(where)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: no such folder; give a checkpoint's folder, a GGUF file, or a name like %s", source.Printable(where), strings.Join(examples(), ", "))
	case err != nil:
		return nil, source.OneLine(err)
	case !info.IsDir():
		return []*format.Place{filePlace(dir)}, nil
	}
	repo, snapshots, err := cacheSnapshots(dir)
	if err != nil {
		return nil, err
	}
	if repo == "" {
		return folderPlaces(dir, filepath.Base(dir)), nil
	}
	var places []*format.Place
	for _, s := range snapshots {
		places = append(places, folderPlaces(s, repo)...)
	}
	return places, nil
}

// openFirst opens the first place that has weights, or that has traces of some,
// and so tells what is missing. Of the first folder, which is what the user
// means, damaged weights are an error; of others, which are tried where that one
// has none, the first that are whole are taken.
func openFirst(places []*format.Place) (*Checkpoint, error) {
	var withWeights, withTraces []*format.Place
	for _, p := range places {
		switch _, found := detect(p); found {
		case format.Weights:
			withWeights = append(withWeights, p)
		case format.Traces:
			withTraces = append(withTraces, p)
		}
	}
	if len(withWeights) == 0 {
		return open(append(withTraces, places[0])[0])
	}
	c, err := open(withWeights[0])
	if err == nil || slices.Contains(places[:min(2, len(places))], withWeights[0]) {
		return c, err
	}
	for _, p := range withWeights[1:] {
		if other, otherErr := open(p); otherErr == nil {
			return other, nil
		}
	}
	return nil, err
}

// filePlace is one file, which is named after the model.
func filePlace(path string) *format.Place {
	file := filepath.Base(path)
	return &format.Place{Folder: source.Dir(filepath.Dir(path)), File: file, Name: modelName(file)}
}

// modelName is what a file with weights calls its model.
func modelName(file string) string {
	return shardNumber.ReplaceAllString(strings.TrimSuffix(file, filepath.Ext(file)), "")
}

// shardNumber ends the names of files that are one of several.
var shardNumber = regexp.MustCompile(`-\d{5}-of-\d{5}$`)

// folderPlaces are a folder and its original/.
func folderPlaces(dir, name string) []*format.Place {
	if filepath.Base(dir) == originalDir {
		return []*format.Place{originalPlace(dir, filepath.Base(filepath.Dir(dir)))}
	}
	return []*format.Place{{Folder: source.Dir(dir), Name: name}, originalPlace(filepath.Join(dir, originalDir), name)}
}

// originalPlace is a folder called original/ and, for the tokenizer, the one
// that it is in.
func originalPlace(dir, name string) *format.Place {
	return &format.Place{
		Folder: source.Dir(dir), Name: name,
		Beside: source.Dir(filepath.Dir(dir)), BesideFiles: tokenizerFiles,
	}
}

// nothing says what a place without a checkpoint is.
func nothing(p *format.Place) error {
	here := p.Folder.Describe(p.File)
	if p.File != "" {
		if err := readable(p); err != nil {
			return err
		}
		return fmt.Errorf("%s: is no GGUF file; of safetensors give the folder that holds the checkpoint", here)
	}
	if _, err := p.Folder.List(); err != nil {
		return err
	}
	if source.Has(p.Folder, expertfs.ControlDir) {
		return fmt.Errorf("%s: is a mount already: gptoss runs it as it is", here)
	}
	err := fmt.Errorf("%s: no *.safetensors files here or in %s/, and no *.gguf: not a checkpoint", here, originalDir)
	if below := checkpointBelow(here); below != "" {
		err = fmt.Errorf("%w; %s has one", err, expertfs.ShellQuote(below))
	}
	return err
}

// readable returns the error of reading the beginning of a file.
func readable(p *format.Place) error {
	s, err := p.Folder.Open(p.File)
	if errors.Is(err, source.ErrNotRegular) {
		return nil // it can be read, and is nothing of ours
	} else if err != nil {
		return err
	}
	defer s.Close()
	if _, err = source.Reader(s).ReadAt(make([]byte, 1), 0); errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// checkpointBelow returns a folder that a folder of this machine holds and that has
// weights, or is the cache of a repository, "" for none. It does not look into other
// mounts: one may hang, and whoever looks hangs with it.
func checkpointBelow(dir string) string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return ""
	}
	mounted, err := mountPoints()
	if err != nil {
		return ""
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return ""
	}
	for _, e := range entries[:min(len(entries), 1000)] {
		below := filepath.Join(dir, e.Name())
		if !e.IsDir() || strings.HasPrefix(e.Name(), ".") || mounted[filepath.Join(real, e.Name())] {
			continue
		}
		_, found := detect(&format.Place{Folder: source.Dir(below)})
		if _, snapshots, err := cacheSnapshots(below); found == format.Weights || err == nil && len(snapshots) > 0 {
			return below
		}
	}
	return ""
}

// mountPoints are those of all mounts that this process can see, of any kind.
func mountPoints() (map[string]bool, error) {
	table, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer table.Close()
	all, err := expertfs.ParseMountTable(table)
	points := make(map[string]bool)
	for _, m := range all {
		points[m.Point] = true
	}
	return points, err
}

// cacheSnapshots recognises the folder that Hugging Face's tools keep for a
// repository (models--OWNER--NAME with refs, blobs and snapshots) and returns
// the repository's name and its snapshots: that of the main branch, then the
// others, the newest first. For other folders the name is "".
func cacheSnapshots(dir string) (repo string, snapshots []string, err error) {
	entries, err := os.ReadDir(filepath.Join(dir, "snapshots"))
	if err != nil {
		return "", nil, nil // not such a folder
	}
	repo = strings.ReplaceAll(strings.TrimPrefix(filepath.Base(dir), "models--"), "--", "/")
	main := ""
	if ref, err := os.ReadFile(filepath.Join(dir, "refs", "main")); err == nil {
		main = filepath.Base(strings.TrimSpace(string(ref)))
	}
	times := map[string]time.Time{}
	for _, e := range entries {
		info, err := os.Stat(filepath.Join(dir, "snapshots", e.Name()))
		if err == nil && info.IsDir() {
			times[e.Name()] = info.ModTime()
			snapshots = append(snapshots, e.Name())
		}
	}
	if len(snapshots) == 0 {
		return "", nil, fmt.Errorf("%s: the cache has no snapshot: download the model again", source.Printable(dir))
	}
	slices.SortStableFunc(snapshots, func(a, b string) int {
		if (a == main) != (b == main) {
			return map[bool]int{true: -1, false: 1}[a == main]
		}
		return times[b].Compare(times[a])
	})
	for i, s := range snapshots {
		snapshots[i] = filepath.Join(dir, "snapshots", s)
	}
	return repo, snapshots, nil
}
