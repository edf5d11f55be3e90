package harmony

import "slices"

// withoutOldAnalysis drops the analysis that the model is no longer to see, as
// the published models' template has it. The analysis of a turn that has ended
// is dropped: a final message came later in the conversation, or the user went
// on. Analysis that led to calls stays until a final message has come: the turn
// is still open, even if the user has added a word.
//
// A conversation that is not to be continued (open is false) may end with a
// final message. The analysis of that last turn then stays.
func withoutOldAnalysis(conversation []Message, open bool) []Message {
	final, user, called := open, false, false
	answered := false // a final message comes later
	kept := make([]Message, 0, len(conversation))
	for i := len(conversation) - 1; i >= 0; i-- {
		m := conversation[i]
		switch {
		case m.Role == User:
			user, called, final = true, false, true
		case m.Role == Assistant && m.Recipient != "":
			called = true
		case m.Role == Assistant && m.Channel == Final:
			answered = answered || final
		case m.Role == Assistant && m.Channel == Analysis:
			if answered || user && !called {
				continue
			}
		}
		kept = append(kept, m)
	}
	slices.Reverse(kept)
	return kept
}
