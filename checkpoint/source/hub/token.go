package hub

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// findToken returns the user's token, "" when there is none.
func findToken() (string, error) {
	for _, name := range []string{"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"} {
		if token := strings.TrimSpace(os.Getenv(name)); token != "" {
			return token, nil
		}
	}
	path := atHome(os.Getenv("HF_TOKEN_PATH"))
	if path == "" {
		home := atHome(os.Getenv("HF_HOME"))
		if home == "" {
			cache, err := os.UserCacheDir()
			if err != nil {
				return "", nil
			}
			home = filepath.Join(cache, "huggingface")
		}
		path = filepath.Join(home, "token")
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(text)), err
}

// atHome returns a path that begins with ~/ in the user's home: no shell has seen it where it
// is set by a service.
func atHome(path string) string {
	rest, ok := strings.CutPrefix(path, "~/")
	home, err := os.UserHomeDir()
	if !ok || err != nil {
		return path
	}
	return filepath.Join(home, rest)
}
