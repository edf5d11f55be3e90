package replay

import "expertfs"

// Interleave makes one recording of several, each of one reader, as readers
// that decode at the same pace share a cache: they make a step each in turn. A
// reader that is through with a recording goes on with the next that nobody has
// begun; it is gone when there is none. Streams are numbered by reader.
func Interleave(recordings [][]expertfs.TraceStep, readers int) []expertfs.TraceStep {
	var all []expertfs.TraceStep
	left := make([][]expertfs.TraceStep, readers) // of the recording that a reader is in
	first := make([]int64, readers)               // what is added to its numbers of tokens
	tokens := int64(0)
	next := func(reader int) bool {
		for len(left[reader]) == 0 && len(recordings) > 0 {
			left[reader], recordings = recordings[0], recordings[1:]
			first[reader] = tokens
			for _, s := range left[reader] {
				tokens = max(tokens, first[reader]+s.Token+1)
			}
		}
		return len(left[reader]) > 0
	}
	gone := make([]bool, readers)
	for turns := true; turns; {
		turns = false
		for reader := range readers {
			if gone[reader] {
				continue
			}
			if !next(reader) {
				gone[reader] = true
				all = append(all, expertfs.TraceStep{Stream: reader, End: true})
				continue
			}
			step := left[reader][0]
			left[reader] = left[reader][1:]
			step.Stream, step.Token = reader, first[reader]+step.Token
			all = append(all, step)
			turns = true
		}
	}
	return all
}
