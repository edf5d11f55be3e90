//go:build invariants

package tiers

// checkAlways makes every change check the invariants.
const checkAlways = true
