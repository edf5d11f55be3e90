package main

import "golang.org/x/sys/unix"

// mostFiles is more descriptors than a model can need: of a mount without a socket
// each expert that stays mapped has one, and the largest model has 4,608.
const mostFiles = 1 << 16

// raiseFileLimit lets this process have that many files open where the system allows
// it. The runtime raises the limit as far as anybody may; only root can go further.
// With fewer, experts are unmapped sooner.
func raiseFileLimit() {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil || limit.Cur >= mostFiles {
		return
	}
	more := unix.Rlimit{Cur: mostFiles, Max: max(limit.Max, mostFiles)}
	if unix.Setrlimit(unix.RLIMIT_NOFILE, &more) != nil {
		limit.Cur = limit.Max
		_ = unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
	}
}
