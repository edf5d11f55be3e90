package fsys

import "expertfs"

// nodeID names a node of the tree. It is a FUSE node id and the inode number
// that stat(2) shows: kind in bits 32-39, layer in 16-31, index in 0-15.
type nodeID uint64

// nodeKind says what a node is. The root's kind is 0 because the kernel
// requires the root's id to be 1.
type nodeKind uint8

const (
	kindRoot        nodeKind = iota // index 1
	kindSmall                       // a small file of the checkpoint; index counts them
	kindDense                       // dense/
	kindEmbedding                   // dense/embedding.safetensors
	kindUnembedding                 // dense/unembedding.safetensors
	kindLayers                      // layers/
	kindLayer                       // layers/LL/
	kindLayerDense                  // layers/LL/dense.safetensors
	kindExperts                     // layers/LL/experts/
	kindExpert                      // layers/LL/experts/EE.safetensors; index is the expert
	kindControlDir                  // .expertfs/
	kindControl                     // a file in it; index into tree.controls
	kindResidentDir                 // .expertfs/resident/
	kindResident                    // a symlink in it; index is the expert
	kindSocket                      // .expertfs/socket; a symlink
	kindRoundedDir                  // .expertfs/rounded/
	kindRounded                     // .expertfs/rounded/LL.safetensors
	kindRoundedHead                 // .expertfs/rounded/unembedding.safetensors
	kindEnd
)

const rootID nodeID = 1

func newID(kind nodeKind, layer, index int) nodeID {
	return nodeID(kind)<<32 | nodeID(layer)<<16 | nodeID(index)
}

func expertID(k expertfs.Key) nodeID { return newID(kindExpert, int(k.Layer), int(k.Expert)) }

func (id nodeID) kind() nodeKind { return nodeKind(id >> 32) }
func (id nodeID) layer() int     { return int(id >> 16 & 0xffff) }
func (id nodeID) index() int     { return int(id & 0xffff) }

// key is the expert that the id of a kindExpert or kindResident node names.
func (id nodeID) key() expertfs.Key {
	return expertfs.Key{Layer: uint16(id.layer()), Expert: uint16(id.index())}
}

// isDir tells whether nodes of this kind are directories.
func (k nodeKind) isDir() bool {
	switch k {
	case kindRoot, kindDense, kindLayers, kindLayer, kindExperts, kindControlDir, kindResidentDir, kindRoundedDir:
		return true
	}
	return false
}
