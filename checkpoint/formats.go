package checkpoint

import (
	"expertfs/checkpoint/format"
	"expertfs/checkpoint/gguf"
	"expertfs/checkpoint/layout"
	"expertfs/checkpoint/tree"
)

// formats are the formats of checkpoints, in the order in which a place is
// asked for them. A new one is a package and a line here.
var formats = []format.Format{
	layout.HuggingFace,
	layout.OpenAI,
	gguf.Format,
	tree.Format,
}

// detect returns the format of the files in a place and how much of it is there;
// nil for none.
func detect(p *format.Place) (format.Format, format.Found) {
	var best format.Format
	found := format.Nothing
	for _, f := range formats {
		if here := f.Detect(p); here > found {
			best, found = f, here
		}
	}
	return best, found
}
