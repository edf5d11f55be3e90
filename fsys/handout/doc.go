// Package handout hands the memory of experts to readers over a unix socket: the
// server of what expertfs.SocketFile describes.
//
// # What a reader gets
//
// A read-only descriptor of the expert's slot, opened anew for each answer. The
// kernel's test for whether a slot is in use counts it from then on, also while
// it is on its way in the socket, and counts every mapping made of it. So a slot
// that was handed out is evicted no earlier than any other.
//
// What a connection has opened and not closed is pinned as well, by a handle of
// the cache. Pins tell how much each reader holds, and are passed over by
// eviction without a test. They end with the connection.
//
// Rounded dense files are handed out in the same way, without a pin: there are few,
// and they leave a minute after the last descriptor and mapping.
//
// # Where the socket is
//
// In a folder of its own, outside of the mount, which a bound socket would keep
// busy. The tree has a symlink to it. The folder's name is a random number that is
// nowhere to be seen but in the symlink: whoever cannot get to the mount does not
// find the socket. See folder.
//
// # Concurrency
//
// Each connection has a goroutine that reads requests, and carries out at once
// what need not wait. When an open has to wait, a new goroutine takes the reading
// over, to see the reader close other experts, or leave.
package handout
