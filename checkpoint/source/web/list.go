package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"expertfs/checkpoint/source/remote"

	"golang.org/x/sync/errgroup"
)

// usual are the names that are tried where a server does not list a folder.
var usual = []string{
	"config.json", "model.safetensors", indexName, "tokenizer.json", "tokenizer_config.json",
	"generation_config.json", "special_tokens_map.json", "chat_template.jinja", "dtypes.json",
	"original/config.json", "original/model.safetensors",
}

const indexName = "model.safetensors.index.json"

// Limits of what is read to list a folder, bytes, and of the questions at a time.
const (
	maxPage   = 4 << 20
	maxIndex  = 32 << 20
	questions = 16
)

// List implements remote.Store.
func (s *store) List(ctx context.Context) (*remote.Listing, error) {
	names, err := s.links(ctx)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		names = slices.Clone(usual)
	}
	if s.file != "" {
		names = append(names, shards(s.file)...)
	}
	files, err := s.describeAll(ctx, names)
	if err != nil {
		return nil, err
	}
	if index := files[indexName]; index != nil {
		more, err := s.indexed(ctx, index)
		if err != nil {
			return nil, err
		}
		others, err := s.describeAll(ctx, slices.DeleteFunc(more, func(name string) bool { return files[name] != nil }))
		if err != nil {
			return nil, err
		}
		maps.Copy(files, others)
	}
	if len(files) == 0 {
		return nil, remote.Absent(errors.New("no files of a checkpoint here"))
	}
	return &remote.Listing{Files: slices.Collect(maps.Values(files))}, nil
}

// describeAll asks for files of these names, and returns those that are there.
func (s *store) describeAll(ctx context.Context, names []string) (map[string]*remote.File, error) {
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) > remote.MaxFiles {
		return nil, remote.ErrTooMany
	}
	var mu sync.Mutex
	files := map[string]*remote.File{}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(questions)
	for _, name := range names {
		g.Go(func() error {
			f, err := s.head(ctx, name)
			if f != nil {
				mu.Lock()
				defer mu.Unlock()
				files[name] = f
			}
			return err
		})
	}
	return files, g.Wait()
}

// link matches where a link on a page leads.
var link = regexp.MustCompile(`(?i)<a\s[^>]*href="([^"#?]+)"`)

// links returns the names of files that the page of the folder links to, none where
// there is no such page.
func (s *store) links(ctx context.Context) ([]string, error) {
	r, err := s.do(ctx, http.MethodGet, "", nil)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	switch {
	case r.StatusCode >= 500 || r.StatusCode == http.StatusTooManyRequests:
		return nil, remote.Status(r, "")
	case r.StatusCode != http.StatusOK || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/html"):
		return nil, nil
	}
	page, err := io.ReadAll(io.LimitReader(r.Body, maxPage))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, m := range link.FindAllSubmatch(page, -1) {
		u, err := s.base.Parse(string(m[1]))
		if err != nil || u.Host != s.base.Host {
			continue
		}
		name, ok := strings.CutPrefix(u.Path, s.base.Path)
		if ok && name != "" && !strings.Contains(name, "/") && filepath.IsLocal(name) {
			names = append(names, name)
		}
	}
	// A page of something else links to no file of a model.
	if !slices.ContainsFunc(names, func(name string) bool {
		return slices.Contains([]string{".json", ".safetensors", ".gguf"}, path.Ext(name))
	}) {
		return nil, nil
	}
	return append(names, usual[len(usual)-2:]...), nil
}

// indexed returns the names of shards that an index names.
func (s *store) indexed(ctx context.Context, f *remote.File) ([]string, error) {
	if f.Size > maxIndex || f.Size == 0 {
		return nil, nil // which the format says
	}
	body, err := s.Get(ctx, nil, f, 0, f.Size)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	var index struct {
		Shards map[string]string `json:"weight_map"`
	}
	if json.NewDecoder(io.LimitReader(body, f.Size)).Decode(&index) != nil {
		return nil, nil // which the format says
	}
	names := slices.Collect(maps.Values(index.Shards))
	return slices.DeleteFunc(names, func(name string) bool { return !filepath.IsLocal(name) }), nil
}

// shardName matches the name of one of several files.
var shardName = regexp.MustCompile(`^(.*)-\d{5}-of-(\d{5})\.gguf$`)

// shards returns the names of all files of the model that one of them is of.
func shards(file string) []string {
	m := shardName.FindStringSubmatch(file)
	if m == nil {
		return []string{file}
	}
	count, _ := strconv.Atoi(m[2]) // five digits
	if count == 0 || count > 1000 {
		return []string{file}
	}
	names := make([]string, count)
	for i := range names {
		names[i] = fmt.Sprintf("%s-%05d-of-%s.gguf", m[1], i+1, m[2])
	}
	return names
}
