// Package top shows a mount in a terminal while it works: what the page of package
// web shows, in characters.
//
// model.go has what is known and what a key does, view.go the lines of the screen,
// chart.go the picture of all experts, ask.go the line in which a policy or a budget
// is written. Reads of the mount run beside the screen: a mount that hangs leaves the
// keys alive.
package top
