// Package tiny carries a small trained model of the GPT-OSS architecture inside
// the program: 4 layers of 32 experts, 8.4 million parameters, 6.5 MB. It makes
// readable pastiche and knows nothing; it is there so that everything can be
// tried without a download. Its recipe is in scripts/tiny-model.
package tiny

import (
	"embed"
	"io/fs"
	"time"
)

//go:embed config.json generation_config.json model.safetensors tokenizer.json
var files embed.FS

// Trained is the day the model was made. Embedded files have no time of their
// own, and a mount of them has to show one.
var Trained = time.Date(2026, time.November, 26, 0, 0, 0, 0, time.UTC)

// Files returns the model's folder in OpenAI's layout.
func Files() fs.FS { return files }
