package expertfs

import (
	"strconv"
	"strings"
)

// The names in the tree of a mount, and of a folder copied from one. Those of
// layers and experts are spelled by Names.
//
//	config.json, tokenizer.json, ...       small files of the checkpoint, as published
//	dense/embedding.safetensors            read once, row by row
//	dense/unembedding.safetensors          the last norm and the unembedding
//	layers/LL/dense.safetensors            what a layer has beside its experts
//	layers/LL/experts/EE.safetensors       one expert
//	.expertfs/                             control files; not listed, and not in a copy
//	.expertfs/rounded/LL.safetensors       a layer's dense file with its matrices rounded to 8 bits
//	.expertfs/rounded/unembedding.safetensors
const (
	DenseDir    = "dense"
	LayersDir   = "layers"
	ExpertsDir  = "experts" // in each layer's folder
	ControlDir  = ".expertfs"
	ResidentDir = "resident" // in ControlDir: a symlink to each expert in RAM
	RoundedDir  = "rounded"  // in ControlDir: dense files, rounded; opening one fails with ENOMEM when there is no room for it

	Suffix      = ".safetensors" // of every file with tensors
	Embedding   = "embedding" + Suffix
	Unembedding = "unembedding" + Suffix
	LayerDense  = DenseDir + Suffix // in each layer's folder
)

// The control files, in ControlDir.
const (
	StatsFile     = "stats"       // figures, for people and Prometheus
	StatsJSONFile = "stats.json"  // the same for programs
	ExpertsFile   = "experts.tsv" // a line for each expert
	HeatmapFile   = "heatmap"     // a mark for each expert
	VersionFile   = "version"     // of the program that serves
	PolicyFile    = "policy"      // of eviction; can be written
	RAMFile       = "ram"         // the budget; can be written
	HintsFile     = "hints"       // can only be written
	LiveFile      = "live"        // where each expert is, for watchers; see Live
	WarmFile      = "warm"        // fills the cache of a place on a network; can be written
	ShareFile     = "share"       // bytes of experts that the process that opened it may keep mapped, as of each read
)

// Paths below the root of the tree, as all paths here with slashes.
const (
	EmbeddingPath   = DenseDir + "/" + Embedding
	UnembeddingPath = DenseDir + "/" + Unembedding
)

// RoundedUnembeddingPath is the path of the unembedding, rounded.
const RoundedUnembeddingPath = ControlDir + "/" + RoundedDir + "/" + Unembedding

// ControlPath is the path of a control file.
func ControlPath(name string) string { return ControlDir + "/" + name }

// Names spells the layers and experts of a model: decimal, zero-padded to two
// digits at least and to the width of the model's largest number. No other
// spelling is in the tree. Numbers are taken to be the model's.
type Names struct {
	Layers  int
	Experts int // of each layer
}

// Layer is the name of a layer's folder: "07".
func (n Names) Layer(layer int) string { return padded(layer, n.Layers) }

// Expert is the name of an expert's file in its layer: "03.safetensors".
func (n Names) Expert(expert int) string { return padded(expert, n.Experts) + Suffix }

// Resident is the name of an expert's symlink in ResidentDir: "07-03.safetensors".
func (n Names) Resident(k Key) string {
	return n.Layer(int(k.Layer)) + "-" + n.Expert(int(k.Expert))
}

// ResidentTarget is where that symlink points.
func (n Names) ResidentTarget(k Key) string { return "../../" + n.ExpertPath(k) }

// LayerDir is the path of a layer's folder.
func (n Names) LayerDir(layer int) string { return LayersDir + "/" + n.Layer(layer) }

// DensePath is the path of what a layer has beside its experts.
func (n Names) DensePath(layer int) string { return n.LayerDir(layer) + "/" + LayerDense }

// RoundedPath is the path of the same with its matrices rounded to 8 bits. A mount
// has such a file, a copy of one does not.
func (n Names) RoundedPath(layer int) string { return ControlPath(RoundedDir + "/" + n.Rounded(layer)) }

// Rounded is the name of that file in RoundedDir; of as many as there are layers, that
// of the unembedding.
func (n Names) Rounded(layer int) string {
	if layer == n.Layers {
		return Unembedding
	}
	return n.Layer(layer) + Suffix
}

// ExpertPath is the path of an expert.
func (n Names) ExpertPath(k Key) string {
	return n.LayerDir(int(k.Layer)) + "/" + ExpertsDir + "/" + n.Expert(int(k.Expert))
}

// ParseLayer is the inverse of Layer.
func (n Names) ParseLayer(name string) (layer int, ok bool) { return parsePadded(name, n.Layers) }

// ParseExpert is the inverse of Expert.
func (n Names) ParseExpert(name string) (expert int, ok bool) {
	number, ok := strings.CutSuffix(name, Suffix)
	if !ok {
		return 0, false
	}
	return parsePadded(number, n.Experts)
}

// ParseResident is the inverse of Resident.
func (n Names) ParseResident(name string) (k Key, ok bool) {
	layer, expert, _ := strings.Cut(name, "-")
	l, ok1 := n.ParseLayer(layer)
	e, ok2 := n.ParseExpert(expert)
	return Key{Layer: uint16(l), Expert: uint16(e)}, ok1 && ok2
}

// ParseExpertPath is the inverse of ExpertPath.
func (n Names) ParseExpertPath(path string) (k Key, ok bool) {
	layer, expert, ok := strings.Cut(strings.TrimPrefix(path, LayersDir+"/"), "/"+ExpertsDir+"/")
	l, ok1 := n.ParseLayer(layer)
	e, ok2 := n.ParseExpert(expert)
	k = Key{Layer: uint16(l), Expert: uint16(e)}
	return k, ok && ok1 && ok2 && n.ExpertPath(k) == path
}

// width is the number of digits in the names of n numbered things.
func width(n int) int { return max(2, len(strconv.Itoa(n-1))) }

// padded spells i, one of n numbers.
func padded(i, n int) string { return string(appendPadded(nil, i, width(n))) }

func appendPadded(dst []byte, i, width int) []byte {
	for w, p := 1, 10; w < width; w, p = w+1, p*10 {
		if i < p {
			dst = append(dst, '0')
		}
	}
	return strconv.AppendInt(dst, int64(i), 10)
}

// parsePadded reads what padded wrote, and no other spelling of the number.
func parsePadded(s string, n int) (int, bool) {
	if len(s) != width(n) || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	i, err := strconv.Atoi(s)
	return i, err == nil && i < n
}
