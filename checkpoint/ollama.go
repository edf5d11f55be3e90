package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"expertfs/checkpoint/format"
	"expertfs/checkpoint/source"
)

// Ollama keeps models as it got them from a registry: a manifest for each name,
// and files that are named after their content.
const (
	ollamaHost      = "registry.ollama.ai"
	ollamaNamespace = "library"
	ollamaTag       = "latest"

	// ollamaModel and ollamaAdapter are the types of a manifest's layers that
	// are weights, and changes of them.
	ollamaModel   = "application/vnd.ollama.image.model"
	ollamaAdapter = "application/vnd.ollama.image.adapter"
)

// maxManifest is the largest manifest, in bytes, that is read.
const maxManifest = 1 << 20

// ollamaManifest is what a manifest says of the files of a model.
type ollamaManifest struct {
	Layers []struct {
		MediaType string `json:"mediaType"`
		Digest    string `json:"digest"`
	} `json:"layers"`
}

var (
	ollamaPart   = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.:-]*$`) // a host may have a port
	ollamaDigest = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
)

// ollamaExamples are names of models, for messages.
func ollamaExamples() []string { return []string{"ollama:gpt-oss:20b"} }

// openOllama finds the weights of [HOST/][NAMESPACE/]MODEL[:TAG].
func openOllama(name string, _ Options) ([]*format.Place, error) {
	parts := strings.Split(name, "/")
	model, tag, tagged := strings.Cut(parts[len(parts)-1], ":")
	if !tagged {
		tag = ollamaTag
	}
	parts = append(parts[:len(parts)-1:len(parts)-1], model, tag)
	switch len(parts) {
	case 2:
		parts = append([]string{ollamaHost, ollamaNamespace}, parts...)
	case 3:
		parts = append([]string{ollamaHost}, parts...)
	}
	if len(parts) != 4 || slices.ContainsFunc(parts, func(p string) bool { return !ollamaPart.MatchString(p) }) {
		return nil, fmt.Errorf("ollama:%s: expected a name like ollama:gpt-oss:20b", source.Printable(name))
	}
	folders := ollamaFolders()
	for _, models := range folders {
		manifest := filepath.Join(append([]string{models, "manifests"}, parts...)...)
		text, err := os.ReadFile(manifest)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, err
		}
		blob, err := weightsOf(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", manifest, err)
		}
		if _, err := os.Stat(filepath.Join(models, "blobs", blob)); err != nil {
			return nil, fmt.Errorf("%w: `ollama pull %s` downloads it", err, name)
		}
		return []*format.Place{{Folder: source.Dir(filepath.Join(models, "blobs")), File: blob, Name: strings.TrimSuffix(name, ":"+ollamaTag)}}, nil
	}
	return nil, fmt.Errorf("ollama:%s: no such model in %s: `ollama list` names those that are there, and $OLLAMA_MODELS another folder",
		name, strings.Join(folders, ", "))
}

// weightsOf returns the name of the file with the weights.
func weightsOf(manifest []byte) (blob string, err error) {
	var m ollamaManifest
	if len(manifest) > maxManifest {
		return "", fmt.Errorf("larger than %d bytes, damaged or not what its name says", maxManifest)
	}
	if err := json.Unmarshal(manifest, &m); err != nil {
		return "", fmt.Errorf("not the JSON of a manifest: %w", err)
	}
	for _, l := range m.Layers {
		switch {
		case l.MediaType == ollamaAdapter:
			return "", errors.New("has an adapter, which is not computed here")
		case l.MediaType != ollamaModel:
			continue
		case blob != "":
			return "", errors.New("has several files with weights, expected one")
		case !ollamaDigest.MatchString(l.Digest):
			return "", fmt.Errorf("the digest %q is no SHA-256", l.Digest)
		}
		blob = strings.Replace(l.Digest, ":", "-", 1)
	}
	if blob == "" {
		return "", errors.New("names no file with weights")
	}
	return blob, nil
}

// ollamaFolders are where Ollama keeps models: where its variable says, in the
// home of the user (also of the one who called sudo), and in that of its service.
func ollamaFolders() []string {
	if dir := os.Getenv("OLLAMA_MODELS"); dir != "" {
		return []string{dir}
	}
	var folders []string
	if home, err := os.UserHomeDir(); err == nil {
		folders = append(folders, filepath.Join(home, ".ollama", "models"))
	}
	if u, err := user.Lookup(os.Getenv("SUDO_USER")); err == nil {
		folders = append(folders, filepath.Join(u.HomeDir, ".ollama", "models"))
	}
	return append(folders, "/usr/share/ollama/.ollama/models")
}
