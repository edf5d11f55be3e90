package logs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func options(t *testing.T, args ...string) *Options {
	t.Helper()
	var o Options
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	o.Declare(f, "stderr")
	require.NoError(t, f.Parse(args))
	return &o
}

func TestForms(t *testing.T) {
	var text bytes.Buffer
	h, err := options(t).Open(&text)
	require.NoError(t, err)
	slog.New(h).With("model", "tiny").Info("mounted", "experts", 128)
	slog.New(h).Debug("not asked for")
	require.Regexp(t, `^time=\S+ level=INFO msg=mounted model=tiny experts=128\n$`, text.String())

	file := filepath.Join(t.TempDir(), "log")
	h, err = options(t, "--log-format", "json", "--log-level", "debug", "--log-file", file).Open(&text)
	require.NoError(t, err)
	slog.New(h).WithGroup("use").Debug("seen", "layer", 3)
	line, err := os.ReadFile(file)
	require.NoError(t, err)
	var got struct {
		Level, Msg string
		Use        struct{ Layer int }
	}
	require.NoError(t, json.Unmarshal(line, &got))
	require.Equal(t, "DEBUG seen 3", fmt.Sprint(got.Level, " ", got.Msg, " ", got.Use.Layer))
}

// TestJournal: where stderr is the journal, each line begins with its priority and has
// neither time nor level; an explicit form is kept.
func TestJournal(t *testing.T) {
	var st unix.Stat_t
	require.NoError(t, unix.Fstat(2, &st))
	t.Setenv("JOURNAL_STREAM", fmt.Sprintf("%d:%d", st.Dev, st.Ino))
	var text bytes.Buffer
	h, err := options(t, "--log-level", "debug").Open(&text)
	require.NoError(t, err)
	log := slog.New(h).With("a", 1).WithGroup("g")
	log.Debug("d", "level", 5)
	log.Info("i")
	log.Warn("w")
	log.Error("e")
	require.Equal(t, "<7>msg=d a=1 g.level=5\n<6>msg=i a=1\n<4>msg=w a=1\n<3>msg=e a=1\n", text.String())
	text.Reset()
	h, err = options(t, "--log-format", "text").Open(&text)
	require.NoError(t, err)
	slog.New(h).Info("i")
	require.True(t, strings.HasPrefix(text.String(), "time="))
}

func TestFaults(t *testing.T) {
	require.ErrorContains(t, options(t, "--log-level", "loud").Check(), `--log-level "loud": want debug, info, warn or error`)
	require.ErrorContains(t, options(t, "--log-format", "xml").Check(), `--log-format "xml": want text, json or auto`)
	require.NoError(t, options(t).Check())
	_, err := options(t, "--log-file", "/nowhere/log").Open(nil)
	require.ErrorContains(t, err, "--log-file: open /nowhere/log")
}
