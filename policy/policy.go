package policy

import (
	"iter"

	"expertfs"
)

// Policy orders resident experts for eviction. The caller serialises calls.
//
// A key outside the Shape the policy was made for is accepted, and served
// without knowledge of its layer, so that a mistake of a caller costs hits
// and never memory safety.
type Policy interface {
	// Insert says that k became resident and takes bytes of the budget.
	// Inserting a resident key again updates its size.
	Insert(k expertfs.Key, bytes int64)
	// Touch says that a resident key was used. Touching another key is
	// harmless.
	Touch(k expertfs.Key)
	// Remove says that k left RAM. Removing another key is harmless.
	Remove(k expertfs.Key)
	// Victims yields every resident once, the best victim first. The order
	// is computed as far as it is asked for. The caller skips the keys it
	// cannot evict now and may stop at any time; the policy must not be
	// changed before the iteration has ended.
	Victims() iter.Seq[expertfs.Key]
	// Step says what the router chose in a layer for one stream. The keys are
	// only lent.
	Step(s Step)
	// Resize tells a new budget in bytes. Residents stay until removed.
	Resize(budget int64)
}

// Valuer is a Policy that can say what a resident is worth.
type Valuer interface {
	// Value estimates the chance, 0 to 1, that k is used when its layer is
	// visited next, so within one token of any stream. It answers for any key,
	// resident or not, which makes a resident comparable with a prefetch.
	Value(k expertfs.Key) float64
}

// Forecaster is a Policy that learns from what comes true how likely each use
// is, so well that a good chance is reason enough to read an absent expert.
type Forecaster interface {
	// Forecast estimates the chance, 0 to 1, that k is used when a stream
	// visits its layer next, given all steps so far; it is 0 where too little is
	// known. It answers for any key and any stream.
	Forecast(stream int, k expertfs.Key) float64
}

// StreamEnder is a Policy that keeps something for each stream.
type StreamEnder interface {
	// EndStream says that the reader of a stream has gone, after its last step.
	// The number may be given to another reader.
	EndStream(stream int)
}
