package grammar

import (
	"fmt"
	"slices"
	"sort"
	"strings"
)

// Vocabulary is the tokens of a model as tries. It is immutable but for what
// automata share in it.
type Vocabulary struct {
	size   int
	texts  []string
	bytes  [256]int32      // the token of each byte
	same   map[int32][]int // by a token: others with the same bytes
	deep   int             // the longest token's bytes
	tries  [tries]trie     // of tokens of different lengths
	shared sharedMasks
}

// tries is the number of tries. Tokens are divided by length, so that what holds
// for few bytes only, such as a count that is not near its end, need not be
// computed anew for most of them.
const tries = 3

// longest is the most bytes of a token of each trie.
var longest = [tries]int{8, 16, maxToken}

// trie is beginnings of tokens in preorder; the empty one is left out.
type trie struct {
	nodes []node
	deep  int // the longest token's bytes
}

// node is a beginning of tokens.
type node struct {
	byte  byte
	depth uint16 // bytes up to here
	token int32  // that ends here, or noToken
	skip  int32  // the next node that is not below this one
}

// NewVocabulary makes the tries of the tokens with ids from 0 to size-1. text
// returns the bytes of a token; it returns "" for those that are no text, such
// as special tokens, which no grammar allows. Each byte must be a token by
// itself, so that any text can be written.
func NewVocabulary(size int, text func(id int) string) (*Vocabulary, error) {
	v := &Vocabulary{size: size, texts: make([]string, size), same: make(map[int32][]int)}
	var ids [tries][]int32
	for b := range v.bytes {
		v.bytes[b] = -1
	}
	for id := range size {
		t := text(id)
		v.texts[id] = t
		v.deep = max(v.deep, len(t))
		if len(t) > maxToken {
			return nil, fmt.Errorf("token %d has %d bytes: at most %d can be followed", id, len(t), maxToken)
		}
		if len(t) > 0 {
			i := sort.SearchInts(longest[:], len(t))
			ids[i] = append(ids[i], int32(id))
		}
		if len(t) == 1 && v.bytes[t[0]] < 0 {
			v.bytes[t[0]] = int32(id)
		}
	}
	for b, id := range v.bytes {
		if id < 0 {
			return nil, fmt.Errorf("no token for the byte 0x%02x", b)
		}
	}
	for i := range v.tries {
		v.tries[i] = v.trieOf(ids[i])
	}
	return v, nil
}

// maxToken is the most bytes of a token.
const maxToken = 1 << 15

// noToken returns the id that stands for none: the first behind all masks.
func (v *Vocabulary) noToken() int32 { return int32(64 * v.Words()) }

// trieOf makes the trie of some tokens.
func (v *Vocabulary) trieOf(ids []int32) trie {
	slices.SortStableFunc(ids, func(a, b int32) int { return strings.Compare(v.texts[a], v.texts[b]) })
	var t trie
	var path []int32 // nodes from the top to the last one
	end := func(nodes []int32) {
		for _, n := range nodes {
			t.nodes[n].skip = int32(len(t.nodes))
		}
	}
	previous := ""
	for _, id := range ids {
		text := v.texts[id]
		if text == previous {
			first := t.nodes[path[len(path)-1]].token
			v.same[first] = append(v.same[first], int(id))
			continue
		}
		common := 0
		for common < len(path) && common < len(text) && text[common] == previous[common] {
			common++
		}
		end(path[common:])
		path = path[:common]
		for d := common; d < len(text); d++ {
			path = append(path, int32(len(t.nodes)))
			t.nodes = append(t.nodes, node{byte: text[d], depth: uint16(d + 1), token: v.noToken()})
		}
		t.nodes[path[len(path)-1]].token = id
		t.deep = max(t.deep, len(text))
		previous = text
	}
	end(path)
	return t
}

// Size is the number of ids.
func (v *Vocabulary) Size() int { return v.size }

// Words is the length of a mask: one bit for each id, from the lowest bit of
// the first word on.
func (v *Vocabulary) Words() int { return (v.size + 63) / 64 }

// find returns the nodes below a text that is not empty: the first, and the
// first behind them.
func (t *trie) find(text string) (first, last int32) {
	last = int32(len(t.nodes))
	for i := range len(text) {
		for first < last && t.nodes[first].byte != text[i] {
			first = t.nodes[first].skip
		}
		if first >= last {
			return 0, 0
		}
		first, last = first+1, t.nodes[first].skip
	}
	return first, last
}
