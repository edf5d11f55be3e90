// Command gen writes the built-in vocabulary of package tokenizer from
// o200k_base.tiktoken. Without -in it takes that file from the Go module
// which carries it:
//
//	go mod download github.com/pkoukk/tiktoken-go-loader@v0.0.2
//	go generate ./infer/tokenizer
package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const (
	inModule     = "github.com/pkoukk/tiktoken-go-loader@v0.0.2/assets/o200k_base.tiktoken"
	sourceSHA256 = "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"
)

func main() {
	in := flag.String("in", "", "o200k_base.tiktoken (default: from the module cache)")
	out := flag.String("o", "o200k.bin.gz", "file to write")
	flag.Parse()
	if err := run(*in, *out); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(in, out string) error {
	if in == "" {
		cache, err := exec.Command("go", "env", "GOMODCACHE").Output()
		if err != nil {
			return err
		}
		in = filepath.Join(strings.TrimSpace(string(cache)), filepath.FromSlash(inModule))
	}
	source, err := os.ReadFile(in)
	if err != nil {
		return err
	}
	if sum := sha256.Sum256(source); hex.EncodeToString(sum[:]) != sourceSHA256 {
		return fmt.Errorf("%s: SHA-256 is %x, want %s", in, sum, sourceSHA256)
	}
	packed, err := pack(source)
	if err != nil {
		return fmt.Errorf("%s: %w", in, err)
	}
	return os.WriteFile(out, packed, 0o644)
}

// pack turns lines of a token in base64 and its rank into all lengths, one
// byte each, followed by all bytes, and compresses that.
func pack(source []byte) ([]byte, error) {
	var lengths, text []byte
	for line := range bytes.Lines(source) {
		var encoded string
		var rank int
		if _, err := fmt.Sscanf(string(line), "%s %d", &encoded, &rank); err != nil {
			return nil, fmt.Errorf("line %q: %w", line, err)
		}
		token, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return nil, fmt.Errorf("line %q: %w", line, err)
		}
		if rank != len(lengths) || len(token) > 255 {
			return nil, fmt.Errorf("line %q: want rank %d and at most 255 bytes", line, len(lengths))
		}
		lengths = append(lengths, byte(len(token)))
		text = append(text, token...)
	}
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(append(lengths, text...)); err != nil {
		return nil, err
	}
	err = w.Close()
	return packed.Bytes(), err
}
