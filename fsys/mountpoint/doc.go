// Package mountpoint deals with the folder under a mount and with the kernel's
// mount table: what may be mounted on, what is mounted where, what is left of a
// server that died, and who keeps a mount busy. It knows nothing of what the
// mounted files hold.
package mountpoint
