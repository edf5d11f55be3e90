package checkpoint

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"expertfs/checkpoint/format"
	"expertfs/checkpoint/source"
	"expertfs/checkpoint/tiny"
)

// scheme is a kind of name that a checkpoint may have: what stands before the
// colon tells it. A new one is an entry of schemes.
type scheme struct {
	// open finds the places that the rest of the name may mean, the best one
	// first; none when it means nothing, so that it may be a path.
	open func(rest string, o Options) ([]*format.Place, error)
	// examples are what users are told to give.
	examples func() []string
}

// schemes are all kinds of names but paths.
var schemes = map[string]scheme{
	"embed":  {openEmbedded, Embedded},
	"ollama": {openOllama, ollamaExamples},
	"hf":     {openHub, func() []string { return []string{"hf://openai/gpt-oss-20b"} }},
	"http":   {openWeb("http"), func() []string { return nil }},
	"https":  {openWeb("https"), func() []string { return []string{"https://host/path/"} }},
	"s3":     {openS3, func() []string { return []string{"s3://bucket/prefix"} }},
}

// prefix matches what stands before the colon in "embed:tiny". Names of files
// may look like it, so that a path that exists is a path.
var prefix = regexp.MustCompile(`^[a-z][a-z0-9+.-]*:`)

// resolve finds the places that the user may have meant, the best one first.
func resolve(where string, o Options) ([]*format.Place, error) {
	if p := prefix.FindString(where); p != "" {
		if s, ok := schemes[strings.TrimSuffix(p, ":")]; ok {
			if places, err := s.open(where[len(p):], o); len(places) > 0 || err != nil {
				return places, err
			}
		}
		if _, err := os.Lstat(where); err != nil {
			return nil, fmt.Errorf("%s: unknown; give a folder, a GGUF file, or a name like %s", source.Printable(where), strings.Join(examples(), ", "))
		}
	}
	return resolvePath(where)
}

// Absolute returns what means the same checkpoint in any working directory: a path
// from the root, or a name with a scheme as it is, be the scheme known or not.
func Absolute(where string) (string, error) {
	if p := prefix.FindString(where); p != "" {
		_, known := schemes[strings.TrimSuffix(p, ":")]
		if known || strings.HasPrefix(where[len(p):], "//") {
			if _, err := os.Lstat(where); err != nil {
				return where, nil
			}
		}
	}
	return filepath.Abs(where)
}

// OnNetwork tells whether a name is that of a place on a network, of which nobody
// here knows whether it exists.
func OnNetwork(where string) bool {
	scheme, _, ok := strings.Cut(where, "://")
	_, known := schemes[scheme]
	return ok && known
}

// examples are names that users may give besides paths.
func examples() []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(schemes)) {
		all = append(all, schemes[name].examples()...)
	}
	return all
}

// embedded lists the models inside the program, by the name after "embed:".
var embedded = map[string]func(name string) source.Folder{
	"tiny": func(name string) source.Folder { return source.FS(name, tiny.Files(), tiny.Trained) },
}

// Embedded returns the names of the models inside the program.
func Embedded() []string {
	var names []string
	for name := range embedded {
		names = append(names, "embed:"+name)
	}
	slices.Sort(names)
	return names
}

// openEmbedded opens a model inside the program.
func openEmbedded(rest string, _ Options) ([]*format.Place, error) {
	folder, ok := embedded[rest]
	if !ok {
		return nil, nil
	}
	name := "embed:" + rest
	return []*format.Place{{Folder: folder(name), Name: name}}, nil
}
