package grammar

import (
	"fmt"
	"slices"
	"strings"
)

// Vocabulary is the tokens of a model as a trie. It is immutable.
type Vocabulary struct {
	size  int
	nodes []node // in preorder; the root is left out
	texts []string
	roots [256]int32      // by byte: the node of its token
	deep  int             // the longest token's bytes
	same  map[int32][]int // by a token: others with the same bytes
}

// node is a beginning of tokens.
type node struct {
	byte  byte
	depth uint16 // bytes up to here
	token int32  // that ends here, or -1
	skip  int32  // the next node that is not below this one
}

// NewVocabulary makes the trie of the tokens with ids from 0 to size-1. text
// returns the bytes of a token; it returns "" for those that are no text, such
// as special tokens, which no grammar allows. Each byte must be a token by
// itself, so that any text can be written.
func NewVocabulary(size int, text func(id int) string) (*Vocabulary, error) {
	v := &Vocabulary{size: size, texts: make([]string, size), same: make(map[int32][]int)}
	ids := make([]int32, 0, size)
	for id := range size {
		if v.texts[id] = text(id); v.texts[id] != "" {
			ids = append(ids, int32(id))
		}
	}
	slices.SortStableFunc(ids, func(a, b int32) int { return strings.Compare(v.texts[a], v.texts[b]) })
	var path []int32 // nodes from below the root to the last one
	previous := ""
	for i, id := range ids {
		t := v.texts[id]
		if i > 0 && t == previous {
			first := v.nodes[path[len(path)-1]].token
			v.same[first] = append(v.same[first], int(id))
			continue
		}
		if len(t) > 1<<15 {
			return nil, fmt.Errorf("token %d has %d bytes: at most %d can be followed", id, len(t), 1<<15)
		}
		shared := 0
		for shared < len(path) && shared < len(t) && t[shared] == previous[shared] {
			shared++
		}
		v.close(path[shared:])
		path = path[:shared]
		for d := shared; d < len(t); d++ {
			path = append(path, int32(len(v.nodes)))
			v.nodes = append(v.nodes, node{byte: t[d], depth: uint16(d + 1), token: -1})
		}
		v.nodes[path[len(path)-1]].token = id
		v.deep = max(v.deep, len(t))
		previous = t
	}
	v.close(path)
	for b := range v.roots {
		v.roots[b] = -1
	}
	for n := int32(0); int(n) < len(v.nodes); n = v.nodes[n].skip {
		v.roots[v.nodes[n].byte] = n
	}
	for b, n := range v.roots {
		if n < 0 || v.nodes[n].token < 0 {
			return nil, fmt.Errorf("no token for the byte 0x%02x", b)
		}
	}
	return v, nil
}

// close notes that the nodes are complete.
func (v *Vocabulary) close(nodes []int32) {
	for _, n := range nodes {
		v.nodes[n].skip = int32(len(v.nodes))
	}
}

// Size is the number of ids.
func (v *Vocabulary) Size() int { return v.size }

// Words is the length of a mask: one bit for each id, from the lowest bit of
// the first word on.
func (v *Vocabulary) Words() int { return (v.size + 63) / 64 }

// isLeaf tells whether no node lies below n.
func (v *Vocabulary) isLeaf(n int32) bool { return v.nodes[n].skip == n+1 }

// find returns the node of a text that tokens begin with, or -1.
func (v *Vocabulary) find(text string) int32 {
	if text == "" {
		return -1
	}
	n := v.roots[text[0]]
	for i := 1; i < len(text); i++ {
		end := v.nodes[n].skip
		for n++; n < end && v.nodes[n].byte != text[i]; {
			n = v.nodes[n].skip
		}
		if n >= end {
			return -1
		}
	}
	return n
}
