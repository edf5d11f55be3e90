// Package bench measures a mount beside the limits of the machine it is on, in
// one run and under the same load, so that ratios mean something where absolute
// figures do not.
//
// It must not flatter. Experts come in random order, every byte is touched, and
// sums are compared with those of the checkpoint, so that fast and wrong is an
// error. What is measured and its limit take turns. The working
// set is larger than the processor's caches where the model allows it. Hits are
// proven by the mount's own counters to have been hits, and misses to have been
// misses.
package bench
