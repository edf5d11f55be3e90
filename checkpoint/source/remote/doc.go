// Package remote reads files over a network.
//
// A [Store] is what a kind of place (an object store, a hub, a web server) has of
// its own: it makes one request and says how that ended. A [Folder] is a
// source.Folder of a store. It owns what all of them need:
//
//   - the listing: names, lengths, etags and hashes of all files, asked for once.
//     Every range is asked of exactly that content (If-Match, a revision), so that
//     bytes of two versions are never mixed;
//   - retries: a request that fails in a way that may pass, or whose body ends
//     early or stalls, is made again for what is missing, a bounded number of times,
//     after a pause with jitter;
//   - the figures.
//
// Errors name the place as the user named it and the file in it. They hold no URL
// that was signed, no header and no token.
package remote
