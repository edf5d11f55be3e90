package fsys

import (
	"fmt"
	"strconv"
	"strings"

	"expertfs/policy"
)

const (
	controlDirName  = ".expertfs"
	residentDirName = "resident"
	suffix          = ".safetensors"
)

// names spells layers and experts: zero-padded to at least two digits and to
// the width of the largest number of the model.
type names struct {
	layers, experts         int // how many the model has
	layerWidth, expertWidth int
}

func newNames(layers, experts int) names {
	return names{layers, experts, width(layers), width(experts)}
}

func width(n int) int { return max(2, len(strconv.Itoa(n-1))) }

func (n names) layer(l int) string  { return fmt.Sprintf("%0*d", n.layerWidth, l) }
func (n names) expert(e int) string { return fmt.Sprintf("%0*d%s", n.expertWidth, e, suffix) }

// resident spells the name of an expert's symlink in resident/.
func (n names) resident(k policy.Key) string {
	return fmt.Sprintf("%0*d-%s", n.layerWidth, k.Layer, n.expert(int(k.Expert)))
}

// residentTarget is where that symlink points, relative to resident/.
func (n names) residentTarget(k policy.Key) string {
	return fmt.Sprintf("../../layers/%s/experts/%s", n.layer(int(k.Layer)), n.expert(int(k.Expert)))
}

// parseLayer reads a name that layer wrote, and no other spelling of the number.
func (n names) parseLayer(s string) (int, bool) { return parsePadded(s, n.layerWidth, n.layers) }

func (n names) parseExpert(s string) (int, bool) {
	number, ok := strings.CutSuffix(s, suffix)
	if !ok {
		return 0, false
	}
	return parsePadded(number, n.expertWidth, n.experts)
}

func (n names) parseResident(s string) (policy.Key, bool) {
	layer, expert, _ := strings.Cut(s, "-")
	l, ok1 := n.parseLayer(layer)
	e, ok2 := n.parseExpert(expert)
	return policy.Key{Layer: uint16(l), Expert: uint16(e)}, ok1 && ok2
}

// parsePadded reads a decimal number below n written with exactly width digits.
func parsePadded(s string, width, n int) (int, bool) {
	if len(s) != width || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	v, err := strconv.Atoi(s)
	return v, err == nil && v < n
}
