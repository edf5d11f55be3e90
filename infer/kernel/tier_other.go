//go:build !amd64

package kernel

// supported are the tiers that this processor can run: the portable one.
func supported() []*tier { return []*tier{generic} }
