package grammar

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// sample is a schema, and a writer of instances in the spelling that JSONSchema
// promises. It is written from the standard, not from the compiler.
type sample struct {
	schema   string
	instance func(rng *rand.Rand) string
}

type sampler struct {
	rng  *rand.Rand
	defs []string // schemas of #/$defs/d0, #/$defs/d1, ...
}

func pick[T any](rng *rand.Rand, list ...T) T { return list[rng.IntN(len(list))] }

// document returns a schema with its definitions.
func (s *sampler) document() sample {
	root := s.any(4)
	var defs []string
	for i, d := range s.defs {
		defs = append(defs, fmt.Sprintf(`"d%d":%s`, i, d))
	}
	if len(defs) == 0 {
		return root
	}
	return sample{fmt.Sprintf(`{"allOf":[%s],"$defs":{%s}}`, root.schema, strings.Join(defs, ",")), root.instance}
}

func (s *sampler) any(depth int) sample {
	n := 9
	if depth > 0 {
		n = 16
	}
	switch s.rng.IntN(n) {
	case 0:
		return sample{`{"type":"null"}`, func(*rand.Rand) string { return "null" }}
	case 1:
		return sample{`{"type":"boolean","description":"x"}`, func(rng *rand.Rand) string { return pick(rng, "true", "false") }}
	case 2, 3:
		return s.integer()
	case 4:
		return s.decimal()
	case 5, 6:
		return s.string()
	case 7:
		return s.enum()
	case 8:
		return s.pattern()
	case 9, 10:
		return s.array(depth - 1)
	case 11, 12, 13:
		return s.object(depth - 1)
	case 14:
		return s.anyOf(depth - 1)
	}
	return s.recursive(depth - 1)
}

func (s *sampler) integer() sample {
	low := s.rng.IntN(2000) - 1000
	high := low + s.rng.IntN(1500)
	instance := func(rng *rand.Rand) string { return strconv.Itoa(low + rng.IntN(high-low+1)) }
	switch s.rng.IntN(4) {
	case 0:
		return sample{`{"type":"integer"}`, instance}
	case 1:
		return sample{fmt.Sprintf(`{"type":["integer","null"],"minimum":%d}`, low), instance}
	case 2:
		step := 1 + s.rng.IntN(12)
		return sample{fmt.Sprintf(`{"type":"integer","minimum":%d,"maximum":%d,"multipleOf":%d}`, low*step, high*step, step),
			func(rng *rand.Rand) string { return strconv.Itoa(step * (low + rng.IntN(high-low+1))) }}
	}
	return sample{fmt.Sprintf(`{"type":"integer","exclusiveMinimum":%d.5,"exclusiveMaximum":%d}`, low-1, high+1),
		func(rng *rand.Rand) string { return strconv.Itoa(max(low, 0) + rng.IntN(max(1, high-max(low, 0)))) }}
}

func (s *sampler) decimal() sample {
	low := s.rng.Float64()*20 - 10
	high := low + 0.01 + s.rng.Float64()*10
	instance := func(rng *rand.Rand) string {
		return strconv.FormatFloat(low+(high-low)*(0.001+0.998*rng.Float64()), 'f', 3+rng.IntN(8), 64)
	}
	if s.rng.IntN(3) == 0 {
		return sample{`{"type":"number"}`, func(rng *rand.Rand) string {
			return pick(rng, instance(rng), strconv.FormatFloat(rng.NormFloat64()*1e5, 'e', 5, 64))
		}}
	}
	l, h := strconv.FormatFloat(low, 'f', 2, 64), strconv.FormatFloat(high, 'f', 4, 64)
	low, _ = strconv.ParseFloat(l, 64)
	high, _ = strconv.ParseFloat(h, 64)
	return sample{fmt.Sprintf(`{"type":"number","minimum":%s,"exclusiveMaximum":%s}`, l, h), func(rng *rand.Rand) string {
		for {
			text := instance(rng)
			if v, _ := strconv.ParseFloat(text, 64); v >= low && v < high && !strings.HasPrefix(text, "-0.000") {
				return text
			}
		}
	}}
}

// randomString writes a string of n characters in any spelling.
func randomString(rng *rand.Rand, n int) string {
	var b strings.Builder
	b.WriteByte('"')
	for range n {
		switch rng.IntN(8) {
		case 0:
			b.WriteString(pick(rng, `\n`, `\"`, `\\`, `\/`, `\t`, `\b`))
		case 1:
			b.WriteString(pick(rng, `\u00e4`, `\uD83D\uDE00`, `\ud7ff`, `\uFFFD`))
		case 2:
			b.WriteString(pick(rng, "é", "中", "😀", "\u2028", "\x7f"))
		default:
			b.WriteByte("abc XYZ,{}:0"[rng.IntN(12)])
		}
	}
	b.WriteByte('"')
	return b.String()
}

func (s *sampler) string() sample {
	low := s.rng.IntN(5)
	high := low + s.rng.IntN(20)
	instance := func(rng *rand.Rand) string { return randomString(rng, low+rng.IntN(high-low+1)) }
	return sample{pick(s.rng,
		`{"type":"string"}`,
		fmt.Sprintf(`{"type":"string","minLength":%d}`, low),
		fmt.Sprintf(`{"type":"string","maxLength":%d}`, high),
		fmt.Sprintf(`{"minLength":%d,"maxLength":%d}`, low, high)), instance}
}

func (s *sampler) enum() sample {
	values := []string{`"a"`, `"ab"`, `"b\"c"`, `1`, `-2.5`, `null`, `true`, `{"x":[1,{}]}`, `[]`, `"é😀"`}
	s.rng.Shuffle(len(values), func(i, j int) { values[i], values[j] = values[j], values[i] })
	values = values[:1+s.rng.IntN(5)]
	if len(values) == 1 {
		return sample{`{"const":` + values[0] + `}`, func(*rand.Rand) string { return values[0] }}
	}
	return sample{`{"enum":[` + strings.Join(values, ",") + `]}`, func(rng *rand.Rand) string { return pick(rng, values...) }}
}

func (s *sampler) pattern() sample {
	digits := func(rng *rand.Rand, n int) string {
		var b strings.Builder
		for range n {
			b.WriteByte(byte('0' + rng.IntN(10)))
		}
		return b.String()
	}
	return pick(s.rng,
		sample{`{"type":"string","pattern":"^[A-Z]{2}-\\d{3,5}$"}`, func(rng *rand.Rand) string { return `"QZ-` + digits(rng, 3+rng.IntN(3)) + `"` }},
		sample{`{"type":"string","pattern":"(foo|ba[rz])+$","maxLength":12}`, func(rng *rand.Rand) string { return `"` + digits(rng, rng.IntN(6)) + pick(rng, "foo", "barbaz") + `"` }},
		sample{`{"type":"string","pattern":"^[^a-z\"]*$","minLength":3}`, func(rng *rand.Rand) string { return `"` + digits(rng, 3) + pick(rng, "", `\\`, `\n`, "É") + `"` }},
		sample{`{"type":"string","format":"date-time"}`, func(rng *rand.Rand) string { return `"20` + digits(rng, 2) + `-11-28T23:59:0` + digits(rng, 1) + `Z"` }},
		sample{`{"type":"string","format":"` + pick(s.rng, "date", "date") + `"}`, func(rng *rand.Rand) string { return `"1` + digits(rng, 3) + `-02-28"` }},
		sample{`{"type":"string","format":"time"}`, func(rng *rand.Rand) string { return `"1` + digits(rng, 1) + `:00:59.` + digits(rng, 3) + `+01:30"` }},
		sample{`{"type":"string","format":"duration"}`, func(rng *rand.Rand) string { return pick(rng, `"P3W"`, `"P1Y2M3DT4H5M6S"`, `"PT7M"`) }},
		sample{`{"type":"string","format":"email"}`, func(rng *rand.Rand) string { return `"a.b-` + digits(rng, 2) + `@mail.example"` }},
		sample{`{"type":"string","format":"hostname"}`, func(rng *rand.Rand) string { return `"h` + digits(rng, 3) + `.example.org"` }},
		sample{`{"type":"string","format":"ipv4"}`, func(rng *rand.Rand) string { return `"10.255.0.` + strconv.Itoa(rng.IntN(256)) + `"` }},
		sample{`{"type":"string","format":"ipv6"}`, func(rng *rand.Rand) string { return pick(rng, `"::1"`, `"2001:db8::a:1"`, `"1:2:3:4:5:6:7:8"`) }},
		sample{`{"type":"string","format":"uuid"}`, func(rng *rand.Rand) string { return `"` + digits(rng, 8) + `-AAAA-4bbb-8ccc-` + digits(rng, 12) + `"` }},
		sample{`{"type":"string","format":"uri"}`, func(rng *rand.Rand) string { return `"https://example.org:80/a/` + digits(rng, 3) + `?q=1#f"` }},
	)
}

func (s *sampler) array(depth int) sample {
	switch s.rng.IntN(4) {
	case 0:
		var schemas []string
		var items []sample
		for range 1 + s.rng.IntN(3) {
			items = append(items, s.any(depth))
			schemas = append(schemas, items[len(items)-1].schema)
		}
		return sample{`{"type":"array","prefixItems":[` + strings.Join(schemas, ",") + `],"items":false}`, func(rng *rand.Rand) string {
			var texts []string
			for _, item := range items {
				texts = append(texts, item.instance(rng))
			}
			return "[" + strings.Join(texts, ",") + "]"
		}}
	default:
		item := s.any(depth)
		low := s.rng.IntN(3)
		high := low + s.rng.IntN(4)
		bounds := pick(s.rng, "", fmt.Sprintf(`,"minItems":%d`, low), fmt.Sprintf(`,"maxItems":%d`, high), fmt.Sprintf(`,"minItems":%d,"maxItems":%d`, low, high))
		return sample{`{"type":"array","items":` + item.schema + bounds + `}`, func(rng *rand.Rand) string {
			var texts []string
			for range low + rng.IntN(high-low+1) {
				texts = append(texts, item.instance(rng))
			}
			return "[" + strings.Join(texts, ",") + "]"
		}}
	}
}

func (s *sampler) object(depth int) sample {
	type prop struct {
		name     string
		value    sample
		required bool
	}
	names := []string{"a", "ab", "name", "b c", `q\"`, "é", "", "x/y~z"}
	s.rng.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	var props []prop
	var listed, required []string
	for _, name := range names[:s.rng.IntN(5)] {
		p := prop{`"` + name + `"`, s.any(depth), s.rng.IntN(2) == 0}
		props = append(props, p)
		listed = append(listed, p.name+":"+p.value.schema)
		if p.required {
			required = append(required, p.name)
		}
	}
	schema := `{"type":"object","properties":{` + strings.Join(listed, ",") + `}`
	if len(required) > 0 {
		s.rng.Shuffle(len(required), func(i, j int) { required[i], required[j] = required[j], required[i] })
		schema += `,"required":[` + strings.Join(required, ",") + `]`
	}
	var extra *sample
	switch s.rng.IntN(3) {
	case 0:
		schema += `,"additionalProperties":false`
	case 1:
		e := s.any(depth - 1)
		schema += `,"additionalProperties":` + e.schema
		extra = &e
	}
	return sample{schema + "}", func(rng *rand.Rand) string {
		var texts []string
		for _, p := range props {
			if p.required || rng.IntN(2) == 0 {
				texts = append(texts, p.name+":"+p.value.instance(rng))
			}
		}
		if extra != nil {
			for i := range rng.IntN(3) {
				texts = append(texts, fmt.Sprintf(`"%s%d":%s`, pick(rng, "a", "ab", "nam", `\n`, "中"), i, extra.instance(rng)))
			}
		}
		return "{" + strings.Join(texts, ",") + "}"
	}}
}

func (s *sampler) anyOf(depth int) sample {
	var schemas []string
	var branches []sample
	for range 2 + s.rng.IntN(2) {
		branches = append(branches, s.any(depth))
		schemas = append(schemas, branches[len(branches)-1].schema)
	}
	return sample{`{"anyOf":[` + strings.Join(schemas, ",") + `]}`, func(rng *rand.Rand) string { return pick(rng, branches...).instance(rng) }}
}

// recursive is a list through a definition, or a tree.
func (s *sampler) recursive(depth int) sample {
	value := s.any(min(depth, 1))
	n := len(s.defs)
	s.defs = append(s.defs, "")
	self := fmt.Sprintf(`{"$ref":"#/$defs/d%d"}`, n)
	var instance func(rng *rand.Rand, depth int) string
	if s.rng.IntN(2) == 0 {
		s.defs[n] = `{"type":"object","properties":{"value":` + value.schema + `,"next":{"anyOf":[` + self + `,{"type":"null"}]}},"required":["value","next"],"additionalProperties":false}`
		instance = func(rng *rand.Rand, depth int) string {
			next := "null"
			if depth > 0 {
				next = instance(rng, depth-1)
			}
			return `{"value":` + value.instance(rng) + `,"next":` + next + `}`
		}
	} else {
		s.defs[n] = `{"type":"object","properties":{"kids":{"type":"array","items":` + self + `},"value":` + value.schema + `},"required":["kids"]}`
		instance = func(rng *rand.Rand, depth int) string {
			var kids []string
			for range rng.IntN(3) * min(depth, 1) {
				kids = append(kids, instance(rng, depth-1))
			}
			text := `{"kids":[` + strings.Join(kids, ",") + `]`
			if rng.IntN(2) == 0 {
				text += `,"value":` + value.instance(rng)
			}
			return text + "}"
		}
	}
	return sample{self, func(rng *rand.Rand) string { return instance(rng, rng.IntN(3)) }}
}
