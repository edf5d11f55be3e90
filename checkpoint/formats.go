package checkpoint

import (
	"expertfs/checkpoint/format"
	"expertfs/checkpoint/layout"
)

// formats are the formats of checkpoints, in the order in which a place is
// asked for them. A new one is a package and a line here.
var formats = []format.Format{
	layout.HuggingFace,
	layout.OpenAI,
}

// detect returns the format of the files in a place, nil for none.
func detect(p *format.Place) format.Format {
	for _, f := range formats {
		if f.Detect(p) {
			return f
		}
	}
	return nil
}
