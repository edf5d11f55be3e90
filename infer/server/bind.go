package server

import (
	"context"
	"errors"
	"slices"
	"sync"

	"expertfs/infer/grammar"
	"expertfs/infer/harmony"
)

// forms are what a request binds its answers to: all of its choices to the same.
type forms struct {
	bound   map[string]*grammar.Automaton // by the name of a tool; "" is the answer
	headers []opening                     // that messages may have; nil: all
}

// forms returns what the answers to a conversation are bound to; nil if the model
// is free. All grammars are compiled here, so that what is wrong with them is said
// before anything else is.
func (s *Server) forms(ctx context.Context, c *conversation) (*forms, error) {
	f := &forms{bound: make(map[string]*grammar.Automaton)}
	offered := c.offered()
	must := c.choice.mode == choiceRequired || c.format.kind != formatText
	for _, t := range offered {
		if !t.strict && !must {
			continue
		}
		a, err := s.grammars.tool(ctx, s, t)
		if err != nil {
			return nil, err
		}
		f.bound[t.Name] = a
	}
	if c.format.kind != formatText {
		a, err := s.grammars.answer(ctx, s, c.format)
		if err != nil {
			return nil, err
		}
		f.bound[""] = a
	}
	if len(f.bound) == 0 && !must {
		return nil, nil
	}
	if must {
		f.headers = openings(c, offered)
	}
	return f, nil
}

// newGuide returns the guide of one answer; nil if the model is free.
func (s *Server) newGuide(f *forms) *guide {
	if f == nil {
		return nil
	}
	g := &guide{chat: s.Chat, tokens: s.Tokens, marks: s.Chat.Marks(), ordinary: s.ordinary(), headers: f.headers}
	g.bind = func(h harmony.Header, kind itemKind) *binding {
		if kind == calling {
			return s.bind(f.bound[harmony.FunctionName(h.Recipient)], g.marks.Call)
		}
		return s.bind(f.bound[""], g.marks.Return)
	}
	return g
}

// bind begins a text that an automaton binds, and ender ends.
func (s *Server) bind(a *grammar.Automaton, ender int) *binding {
	if a == nil {
		return nil
	}
	m := a.NewMatcher(ender)
	return &binding{matcher: m, ender: ender, encode: s.Tokens.Encode, bits: make([]uint64, m.Words())}
}

// openings are the headers of the messages that lead to what the request wants.
func openings(c *conversation, offered []tool) []opening {
	var all []opening
	if !c.noThoughts {
		all = append(all, opening{harmony.Header{Channel: harmony.Analysis}, true})
	}
	for _, t := range offered {
		all = append(all, opening{header: harmony.Header{
			Channel: harmony.Commentary, Recipient: harmony.FunctionRecipient(t.Name), ContentType: "<|constrain|>json",
		}})
	}
	if c.choice.mode != choiceRequired {
		all = append(all, opening{header: harmony.Header{Channel: harmony.Final}})
	}
	return all
}

// grammars keeps automata of grammars that were asked for, the latest first:
// requests of one client mostly have the same few.
type grammars struct {
	mu         sync.Mutex
	vocabulary *grammar.Vocabulary
	kept       []keptGrammar
}

type keptGrammar struct {
	key       string
	automaton *grammar.Automaton
}

// What is kept at most, besides the latest: automata, and the bytes that they
// take with their grammars.
const (
	mostGrammars     = 64
	mostGrammarBytes = 128 << 20
)

// get returns the automaton for a key, which compile makes if it is new. Grammars
// are compiled one at a time.
func (g *grammars) get(ctx context.Context, s *Server, key string, compile func() (*grammar.Grammar, error)) (*grammar.Automaton, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if ctx.Err() != nil {
		return nil, errCancelled
	}
	at := slices.IndexFunc(g.kept, func(k keptGrammar) bool { return k.key == key })
	if at >= 0 {
		k := g.kept[at]
		g.kept = slices.Insert(slices.Delete(g.kept, at, at+1), 0, k)
		return k.automaton, nil
	}
	if g.vocabulary == nil {
		var err error
		if g.vocabulary, err = newVocabulary(s); err != nil {
			return nil, err
		}
	}
	compiled, err := compile()
	if err != nil {
		return nil, err
	}
	a := grammar.NewAutomaton(compiled, g.vocabulary)
	g.kept = slices.Insert(g.kept, 0, keptGrammar{key, a})
	g.trim()
	return a, nil
}

// trim forgets the automata that were not used for longest, beyond the bounds.
func (g *grammars) trim() {
	bytes := 0
	for i, k := range g.kept {
		bytes += k.automaton.Memory() + len(k.key)
		if i > 0 && (i >= mostGrammars || bytes > mostGrammarBytes) {
			g.kept = slices.Delete(g.kept, i, len(g.kept))
			return
		}
	}
}

// newVocabulary lists the tokens that are text.
func newVocabulary(s *Server) (*grammar.Vocabulary, error) {
	return grammar.NewVocabulary(s.Tokens.Size(), func(id int) string {
		text, _ := s.Tokens.Text(id)
		return text
	})
}

// answer returns the automaton of an answer's format.
func (g *grammars) answer(ctx context.Context, s *Server, f format) (*grammar.Automaton, error) {
	switch f.kind {
	case formatObject:
		return g.get(ctx, s, "object", anyObject)
	case formatGrammar:
		a, err := g.get(ctx, s, "grammar "+string(f.source), func() (*grammar.Grammar, error) { return grammar.GBNF(string(f.source)) })
		return a, asBad(f.field, err)
	}
	a, err := g.schema(ctx, s, f.source)
	return a, asBad(f.field, err)
}

// noParameters is the schema of a tool that was offered without one.
var noParameters = []byte(`{"type":"object","properties":{},"additionalProperties":false}`)

// tool returns the automaton of a tool's arguments. Where they need not follow
// the schema strictly, and it has what grammars lack, any object will do.
func (g *grammars) tool(ctx context.Context, s *Server, t tool) (*grammar.Automaton, error) {
	if len(t.Parameters) == 0 || t.Parameters[0] == 'n' {
		return g.schema(ctx, s, noParameters)
	}
	a, err := g.schema(ctx, s, t.Parameters)
	if err != nil && !t.strict && ctx.Err() == nil {
		return g.get(ctx, s, "object", anyObject)
	}
	return a, asBad(t.field, err)
}

func (g *grammars) schema(ctx context.Context, s *Server, source []byte) (*grammar.Automaton, error) {
	return g.get(ctx, s, "schema "+string(source), func() (*grammar.Grammar, error) {
		return grammar.JSONSchema(source, grammar.Compact)
	})
}

func anyObject() (*grammar.Grammar, error) { return grammar.JSONObject(grammar.Flexible), nil }

// asBad makes an error of a grammar one of the field that it came in.
func asBad(field string, err error) error {
	if err == nil || errors.Is(err, errCancelled) {
		return err
	}
	return badRequest(field, "%s: %v", field, err)
}
