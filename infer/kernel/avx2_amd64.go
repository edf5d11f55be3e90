package kernel

// avx2 needs AVX2 and FMA.
var avx2 = func() *tier {
	k := *generic
	k.name = "avx2"
	k.quantize = quantizeFast
	k.swiglu = swigluFast
	k.expSum = expSumFast
	k.dotsF32 = dotsF32Fast
	k.dotsBF16 = dotsBF16Fast
	k.addWeightedF32 = addWeightedF32Fast
	k.addWeightedBF16 = addWeightedBF16Fast
	k.sum64 = sum64Fast
	return &k
}()
