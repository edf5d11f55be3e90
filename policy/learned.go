package policy

// Learned is what a policy has learned beside the frequency of use, which Heat
// keeps: numbers that mean something to policies of one kind only.
type Learned struct {
	Kind  string      // the policy, its parameters, and the model's shape; "" for nothing
	Parts [][]float32 // as many, and as long, for all of a kind
}

// Learner is a Policy that has such numbers.
type Learner interface {
	// Learned lends them: they change with the next Step. Each part alone may be
	// kept of another moment than the others.
	Learned() Learned
	// Adopt goes on from numbers of an earlier run or policy, which are its own from
	// then on. It comes before the first step, and Warm after it. It fails, and does
	// nothing, where the numbers are not of its kind.
	Adopt(l Learned) bool
}

// adopt puts parts in the place of those at their pointers, if they are as long.
func adopt(own []*[]float32, parts [][]float32) bool {
	if len(own) != len(parts) {
		return false
	}
	for i, p := range own {
		if len(*p) != len(parts[i]) {
			return false
		}
	}
	for i, p := range own {
		*p = parts[i]
	}
	return true
}
