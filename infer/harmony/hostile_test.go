package harmony

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Schemas of some kilobytes that would be rendered as gigabytes are rendered in
// part. One that is only large is rendered whole.
func TestHostileSchemas(t *testing.T) {
	list := func(n int, one func(i int) string) string {
		var parts []string
		for i := range n {
			parts = append(parts, one(i))
		}
		return strings.Join(parts, ",")
	}
	self := func(i int) string { return fmt.Sprintf(`"p%d":{"$ref":"#"}`, i) }
	for name, schema := range map[string]string{
		"of itself":    `{"type":"object","properties":{` + list(100, self) + `}}`,
		"of one value": `{"$defs":{"e":{"enum":["` + strings.Repeat("a", 100000) + `"]}},"type":"object","properties":{` + list(10000, func(i int) string { return fmt.Sprintf(`"p%d":{"$ref":"#/$defs/e"}`, i) }) + `}}`,
		"of types":     `{"type":"object","properties":{"a":{"type":[` + list(20000, func(int) string { return `"object"` }) + `],"properties":{` + list(5000, func(i int) string { return fmt.Sprintf(`"q%d":{}`, i) }) + `}}}}`,
		"deep":         `{"type":"object","properties":{"a":{"default":` + strings.Repeat("[", 5000) + `"` + strings.Repeat("a", 500000) + `"` + strings.Repeat("]", 5000) + `}}}`,
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		text := signature([]byte(schema))
		runtime.ReadMemStats(&after)
		require.True(t, strings.HasPrefix(text, "(_: {\n"), name)
		require.Less(t, len(text), 2*longest, name)
		require.Less(t, (after.TotalAlloc-before.TotalAlloc)>>20, uint64(400), name)
	}
	large := signature([]byte(`{"type":"object","properties":{` + list(20000, func(i int) string { return fmt.Sprintf(`"p%d":{"type":"string"}`, i) }) +
		`},"required":[` + list(20000, func(i int) string { return fmt.Sprintf(`"p%d"`, i) }) + `]}`))
	require.Equal(t, 20000, strings.Count(large, ": string,"))
	require.NotContains(t, large, "?")
}
