package tokenizer

import "fmt"

// vocabulary is what Encode and Decode need to know of ordinary tokens. It is
// not changed once made.
type vocabulary struct {
	tokens      []string         // bytes of each token by id; "" where an id has none
	ids         map[string]int32 // the reverse
	byteID      [256]int32       // the token of each single byte
	merges      merges
	wholePieces bool // a piece that is a token is taken whole, before any merge
}

// newVocabulary indexes tokens. Merges are still to be set.
func newVocabulary(tokens []string) (*vocabulary, error) {
	v := &vocabulary{tokens: tokens, ids: make(map[string]int32, len(tokens))}
	for id, t := range tokens {
		if t != "" {
			v.ids[t] = int32(id)
		}
	}
	for b := range v.byteID {
		id, ok := v.ids[string([]byte{byte(b)})]
		if !ok {
			return nil, fmt.Errorf("no token for the byte 0x%02x", b)
		}
		v.byteID[b] = id
	}
	return v, nil
}
