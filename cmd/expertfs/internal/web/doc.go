// Package web is the page that shows a mount while it works, and the listener that
// serves it and the mount's metrics.
//
// The page is written by hand: page/ has its HTML, its style and a few scripts, all
// embedded, and it asks nobody but the server that it came from. What it shows comes
// as one stream of server-sent events (hub.go): first all, then what changes, each
// use of an expert within a fifth of a second. The stream is made of two readings of
// where the experts are, so that the mount notes nothing for it, and does nothing
// at all while no page is open; a page that nobody looks at closes its stream.
//
// Who may see it and who may change the mount stands in guard.go. server.go joins
// the parts; /set carries out a switch.
//
// What is shown comes from a watch.Source: `expertfs mount --http` has the mount
// itself for one, `expertfs web` the control files of a mount of another process.
package web
