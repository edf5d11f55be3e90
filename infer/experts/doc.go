// Package experts fetches the experts of a model for a program that computes with
// them. It knows files and no arithmetic: what the bytes mean is its user's affair,
// who also says which experts are used and which will probably be.
//
// The folder is an expertfs mount or a plain copy of one. On a mount the open of an
// expert is what the cache sees; experts that stay mapped between uses are told to
// it as hints, and so are predictions about the next layers, while a trial shows
// that they save time. On a plain copy an expert is a file like any other.
//
// A batch of tokens goes through a Store like this:
//
//	s.Begin(ctx, tokens)
//	for each layer {
//		s.Announce(layer, experts)        // what the router chose
//		s.Request(key)                    // for several at a time, MaxOpening at most
//		x, err := s.Next(wait)            // in the order in which they arrive
//		... x.Value ...
//		s.Release(x)
//	}
//	s.End(took)                               // or s.Abandon() after an error
//
// # What stays mapped
//
// A mount cannot give the memory of a mapped expert to another one. It tells each
// reader how much of its budget the reader may keep mapped (.expertfs/share), and a
// Store keeps no more: the share is asked for with every batch, within long ones,
// and ten times a second while nothing is computed. An open that finds no room has
// the Store let go of all that it keeps and try again; it fails only when nobody
// else holds more than its share.
//
// # Ownership
//
// A Store owns its descriptors, mappings and goroutines. An expert that Next
// returned is its user's until Release; the bytes are valid as long. All methods of
// a Store, and of its Predictor, are called by one goroutine at a time.
package experts
