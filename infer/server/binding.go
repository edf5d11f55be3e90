package server

// matcher follows a text that a grammar binds; grammar.Matcher is one.
type matcher interface {
	Mask(bits []uint64)
	Accept(id int) error
	Done() bool
	ForcedTokens(encode func(string) []int) []int
}

// binding leads a text along a grammar, to the token that ends it.
type binding struct {
	matcher  matcher
	ender    int
	encode   func(string) []int
	accepted int // forced tokens that the matcher knows already
	bits     []uint64
}

func (b *binding) next() (forced []int, mask []uint64) {
	if b.matcher.Done() {
		return []int{b.ender}, nil
	}
	if forced := b.matcher.ForcedTokens(b.encode); len(forced) > 0 {
		b.accepted = len(forced)
		return forced, nil
	}
	b.matcher.Mask(b.bits)
	return nil, b.bits
}

// push takes a token of the text and tells whether it ended it.
func (b *binding) push(id int) (ended bool, err error) {
	switch {
	case b.accepted > 0:
		b.accepted--
	case id == b.ender:
		return true, nil
	default:
		err = b.matcher.Accept(id)
	}
	return false, err
}
