package kernel

import "golang.org/x/sys/cpu"

// supported are the tiers that this processor can run, the best one last.
func supported() []*tier {
	tiers := []*tier{generic}
	x := cpu.X86
	if x.HasAVX2 && x.HasFMA {
		tiers = append(tiers, avx2)
		if x.HasAVX512F && x.HasAVX512BW && x.HasAVX512DQ && x.HasAVX512VL && x.HasAVX512VBMI && x.HasAVX512VNNI {
			tiers = append(tiers, avx512)
			if amxAllowed() {
				tiers = append(tiers, amx)
			}
		}
	}
	return tiers
}
