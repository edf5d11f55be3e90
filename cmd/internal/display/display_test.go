package display

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTextCommandsNoTerminal(t *testing.T) {
	for text, want := range map[string]string{
		"größe\ta\nb":                  "größe\ta\nb",
		"\x1b[2Ja\u009b1m\a\r\x00\x7f": "\ufffd[2Ja\ufffd1m\ufffd\ufffd\ufffd\ufffd",
		"":                             "",
	} {
		require.Equal(t, want, Text(text))
		var b strings.Builder
		n, err := Writer{&b}.Write([]byte(text))
		require.NoError(t, err)
		require.Equal(t, len(text), n, "of what was given")
		require.Equal(t, want, b.String())
	}
}
