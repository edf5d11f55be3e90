// Package web reads files of a web server: "https://host/path/" is the folder of what
// is below that address.
//
// A server tells what is in a folder by a page with links, if it does; else the names
// that checkpoints have are tried, and those that an index of shards names. Each file
// is pinned to its strong etag, which ranges ask for by If-Match, or to its weak one
// or its time of modification, which answers are compared with. A file without any of
// these cannot be told from another one, and is refused.
package web
