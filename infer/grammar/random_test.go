package grammar

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

// validator is an independent judge of documents.
func validator(t testing.TB, schema string) func(text string) error {
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(schema))
	require.NoError(t, err, schema)
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	const place = "mem:///schema.json" // a name alone would be a file of this folder, whose path may have blanks in it
	require.NoError(t, c.AddResource(place, doc))
	compiled, err := c.Compile(place)
	require.NoError(t, err, schema)
	return func(text string) error {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			return err
		}
		return compiled.Validate(v)
	}
}

// TestRandomSchemas writes texts under random schemas with random tokens, and
// has them judged; and reads texts that were written from the schemas.
func TestRandomSchemas(t *testing.T) {
	schemas := 1000
	if testing.Short() {
		schemas = 250
	}
	var written, read int
	for seed := range uint64(schemas) {
		rng := rand.New(rand.NewPCG(seed, 4))
		doc := (&sampler{rng: rng}).document()
		g, err := JSONSchema([]byte(doc.schema), Compact)
		require.NoError(t, err, doc.schema)
		valid := validator(t, doc.schema)
		a := NewAutomaton(g, smallVocabulary(t))
		for range 3 {
			text := doc.instance(rng)
			if err := valid(text); err != nil {
				continue // such as the second of two equal names, or a number of two branches
			}
			read++
			s, n := a.AdvanceBytes(a.Start(), text)
			require.True(t, n == len(text) && a.Accepts(s), "%s\n%s\nnot from %q", doc.schema, text, text[n:])
		}
		step := 0
		text := generate(t, a, rng, 10+rng.IntN(60), func(s State, _ []int) {
			if step++; step%9 == 1 {
				requireMask(t, a, s)
			}
		})
		require.NoError(t, valid(text), "%s\n%s", doc.schema, text)
		written++
	}
	require.Equal(t, schemas, written)
	require.Greater(t, read, 5*schemas/2, "most instances must be valid, or nothing is tested")
}

// TestRandomSchemasFlexible does the same with white space.
func TestRandomSchemasFlexible(t *testing.T) {
	for seed := range uint64(150) {
		rng := rand.New(rand.NewPCG(seed, 5))
		doc := (&sampler{rng: rng}).document()
		g, err := JSONSchema([]byte(doc.schema), Flexible)
		require.NoError(t, err, doc.schema)
		a := NewAutomaton(g, smallVocabulary(t))
		text := generate(t, a, rng, 40, nil)
		require.NoError(t, validator(t, doc.schema)(text), "%s\n%s", doc.schema, text)
	}
}

// TestRandomOneOf has texts of random oneOf judged. Most such schemas are
// refused, since their branches overlap.
func TestRandomOneOf(t *testing.T) {
	taken := 0
	for seed := range uint64(600) {
		rng := rand.New(rand.NewPCG(seed, 10))
		s := &sampler{rng: rng}
		var branches []string
		for range 2 + rng.IntN(2) {
			branches = append(branches, pick(rng, s.object, s.object, s.array, s.any)(1).schema)
		}
		if len(s.defs) > 0 {
			continue
		}
		schema := `{"oneOf":[` + strings.Join(branches, ",") + `]}`
		g, err := JSONSchema([]byte(schema), Compact)
		if err != nil {
			require.ErrorContains(t, err, "oneOf: a value might be valid under both branch")
			continue
		}
		taken++
		a := NewAutomaton(g, smallVocabulary(t))
		for range 4 {
			text := generate(t, a, rng, rng.IntN(20), nil)
			require.NoError(t, validator(t, schema)(text), "%s\n%s", schema, text)
		}
	}
	require.Greater(t, taken, 100)
}
