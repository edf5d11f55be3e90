package kernel

import "encoding/binary"

// partLanes are the 8 parts in which sums are taken.
type partLanes [8]float32

func (l *partLanes) sum() float32 {
	return ((l[0] + l[4]) + (l[2] + l[6])) + ((l[1] + l[5]) + (l[3] + l[7]))
}

func addGeneric(dst, x []float32) {
	for i, f := range x {
		dst[i] += f
	}
}

func addScaledGeneric(dst []float32, a float32, x []float32) {
	for i, f := range x {
		dst[i] += float32(a * f)
	}
}

func addBF16Generic(dst []float32, src []byte) {
	for i := range dst {
		dst[i] += fromBF16(uint16(src[2*i]) | uint16(src[2*i+1])<<8)
	}
}

func swigluGeneric(dst, a []float32, limit, alpha float32) {
	for i := range dst {
		g, u := a[2*i], a[2*i+1]
		if g > limit {
			g = limit
		}
		if u > limit {
			u = limit
		} else if u < -limit {
			u = -limit
		}
		dst[i] = float32(g*(u+1)) / (1 + Exp(-float32(alpha*g)))
	}
}

func expSumGeneric(s []float32, m float32) float32 {
	var parts partLanes
	parts.addExp(s, m)
	return parts.sum()
}

func (l *partLanes) addExp(s []float32, m float32) {
	for i, f := range s {
		s[i] = Exp(f - m)
		l[i%8] += s[i]
	}
}

func dotsF32Generic(dst, q, keys []float32, scale float32) {
	for j := range dst {
		var parts partLanes
		for i, f := range keys[j*len(q) : (j+1)*len(q)] {
			parts[i%8] = fma32(f, q[i], parts[i%8])
		}
		dst[j] = parts.sum() * scale
	}
}

func dotsBF16Generic(dst, q []float32, keys []uint16, scale float32) {
	for j := range dst {
		var parts partLanes
		for i, f := range keys[j*len(q) : (j+1)*len(q)] {
			k := i % 16 / 2
			parts[k] = fma32(fromBF16(f), q[i], parts[k])
		}
		dst[j] = parts.sum() * scale
	}
}

func addWeightedF32Generic(dst, w, values []float32) {
	for j, weight := range w {
		for i, f := range values[j*len(dst) : (j+1)*len(dst)] {
			dst[i] = fma32(weight, f, dst[i])
		}
	}
}

func addWeightedBF16Generic(dst, w []float32, values []uint16) {
	for j, weight := range w {
		for i, f := range values[j*len(dst) : (j+1)*len(dst)] {
			dst[i] = fma32(weight, fromBF16(f), dst[i])
		}
	}
}

func sum64Generic(b []byte) uint64 {
	var sum uint64
	for ; len(b) >= 8; b = b[8:] {
		sum += binary.LittleEndian.Uint64(b)
	}
	return sum + sumBytes(b)
}

func sumBytes(b []byte) uint64 {
	var sum uint64
	for _, v := range b {
		sum += uint64(v)
	}
	return sum
}
