package fsys

import (
	"fmt"
	"hash/fnv"
	"os"
	"sync/atomic"
	"time"

	"expertfs"
	"expertfs/checkpoint"
	"expertfs/checkpoint/source"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// tree knows what nodes there are and what stat(2) shows of them. Only
// resident/ changes while mounted; the rest is fixed.
type tree struct {
	expertfs.Names
	small       []source.Source
	expertSize  int64
	denseSizes  []int64 // by layer
	embedding   int64
	unembedding int64
	rounded     []int64 // by layer, then the unembedding
	controls    []control
	socket      string         // where readers get descriptors; "" for nowhere
	shown       []atomic.Int64 // size of what each control file showed last

	// Equal in all mounts of a checkpoint, and in those alone: a file handle of one is
	// good in the others, where ids name the same bytes.
	generation uint64

	owner   fuse.Owner // who mounted
	changed time.Time  // the checkpoint's time of modification
}

// entry is a name in a directory.
type entry struct {
	name string
	id   nodeID
}

func newTree(ck *checkpoint.Checkpoint) *tree {
	cfg := ck.Config()
	id := fnv.New32a() // a file handle has room for 32 bits
	fmt.Fprint(id, ck.ID(), ck.ModTime().UnixNano())
	t := &tree{
		Names:       expertfs.Names{Layers: cfg.Layers, Experts: cfg.Experts},
		small:       ck.Small(),
		expertSize:  ck.ExpertSize(),
		embedding:   ck.Embedding().Size(),
		unembedding: ck.Unembedding().Size(),
		controls:    controls(),
		shown:       make([]atomic.Int64, len(controls())),
		generation:  uint64(id.Sum32()),
		owner:       fuse.Owner{Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid())},
		changed:     ck.ModTime(),
	}
	for l := range cfg.Layers {
		t.denseSizes = append(t.denseSizes, ck.Dense(l).Size())
		t.rounded = append(t.rounded, ck.DenseRounded(l).Size())
	}
	t.rounded = append(t.rounded, ck.UnembeddingRounded().Size())
	return t
}

// exists tells whether id names a node. The kernel only sends ids it was
// given, but a file handle may have one of another mount.
func (t *tree) exists(id nodeID) bool {
	l, i := id.layer(), id.index()
	switch id.kind() {
	case kindRoot:
		return id == rootID
	case kindSmall:
		return l == 0 && i < len(t.small)
	case kindControl:
		return l == 0 && i < len(t.controls)
	case kindLayer, kindLayerDense, kindExperts, kindRounded:
		return l < t.Layers && i == 0
	case kindExpert, kindResident:
		return l < t.Layers && i < t.Experts
	}
	return id.kind() < kindEnd && l == 0 && i == 0
}

// lookup finds a name in a directory. A symlink in resident/ is found whether
// or not its expert is resident.
func (t *tree) lookup(dir nodeID, name string) (nodeID, bool) {
	switch dir.kind() {
	case kindLayers:
		l, ok := t.ParseLayer(name)
		return newID(kindLayer, l, 0), ok
	case kindExperts:
		e, ok := t.ParseExpert(name)
		return newID(kindExpert, dir.layer(), e), ok
	case kindResidentDir:
		k, ok := t.ParseResident(name)
		return newID(kindResident, int(k.Layer), int(k.Expert)), ok
	case kindRoot:
		if name == expertfs.ControlDir {
			return newID(kindControlDir, 0, 0), true
		}
	}
	for _, e := range t.fixedEntries(dir) {
		if e.name == name {
			return e.id, true
		}
	}
	return 0, false
}

// entries lists a directory in the order of its names' kinds, without "." and
// "..". The control directory is not listed, as ZFS does with .zfs, so that
// copies and searches see the model alone.
func (t *tree) entries(dir nodeID, resident []expertfs.Key) []entry {
	var list []entry
	switch dir.kind() {
	case kindLayers:
		for l := range t.Layers {
			list = append(list, entry{t.Layer(l), newID(kindLayer, l, 0)})
		}
	case kindExperts:
		for e := range t.Experts {
			list = append(list, entry{t.Expert(e), newID(kindExpert, dir.layer(), e)})
		}
	case kindResidentDir:
		for _, k := range resident {
			list = append(list, entry{t.Resident(k), newID(kindResident, int(k.Layer), int(k.Expert))})
		}
	default:
		list = t.fixedEntries(dir)
	}
	return list
}

// fixedEntries lists the directories whose names do not depend on numbers.
func (t *tree) fixedEntries(dir nodeID) []entry {
	switch l := dir.layer(); dir.kind() {
	case kindRoot:
		list := []entry{{expertfs.DenseDir, newID(kindDense, 0, 0)}, {expertfs.LayersDir, newID(kindLayers, 0, 0)}}
		for i, f := range t.small {
			list = append(list, entry{f.Name(), newID(kindSmall, 0, i)})
		}
		return list
	case kindDense:
		return []entry{
			{expertfs.Embedding, newID(kindEmbedding, 0, 0)},
			{expertfs.Unembedding, newID(kindUnembedding, 0, 0)},
		}
	case kindLayer:
		return []entry{
			{expertfs.LayerDense, newID(kindLayerDense, l, 0)},
			{expertfs.ExpertsDir, newID(kindExperts, l, 0)},
		}
	case kindRoundedDir:
		list := make([]entry, 0, t.Layers+1)
		for l := range t.Layers {
			list = append(list, entry{t.Rounded(l), newID(kindRounded, l, 0)})
		}
		return append(list, entry{expertfs.Unembedding, newID(kindRoundedHead, 0, 0)})
	case kindControlDir:
		list := []entry{
			{expertfs.ResidentDir, newID(kindResidentDir, 0, 0)},
			{expertfs.RoundedDir, newID(kindRoundedDir, 0, 0)},
		}
		for i, c := range t.controls {
			list = append(list, entry{c.name, newID(kindControl, 0, i)})
		}
		if t.socket != "" {
			list = append(list, entry{expertfs.SocketFile, newID(kindSocket, 0, 0)})
		}
		return list
	}
	return nil
}

// parent is the directory that holds the directory dir.
func (t *tree) parent(dir nodeID) nodeID {
	switch dir.kind() {
	case kindLayer:
		return newID(kindLayers, 0, 0)
	case kindExperts:
		return newID(kindLayer, dir.layer(), 0)
	case kindResidentDir, kindRoundedDir:
		return newID(kindControlDir, 0, 0)
	}
	return rootID
}

// size is the length of a file or link, 0 for directories.
func (t *tree) size(id nodeID) int64 {
	switch id.kind() {
	case kindSmall:
		return t.small[id.index()].Size()
	case kindEmbedding:
		return t.embedding
	case kindUnembedding:
		return t.unembedding
	case kindLayerDense:
		return t.denseSizes[id.layer()]
	case kindRounded:
		return t.rounded[id.layer()]
	case kindRoundedHead:
		return t.rounded[t.Layers]
	case kindExpert:
		return t.expertSize
	case kindControl:
		return t.shown[id.index()].Load()
	case kindResident:
		return int64(len(t.ResidentTarget(id.key())))
	case kindSocket:
		return int64(len(t.socket))
	}
	return 0
}
