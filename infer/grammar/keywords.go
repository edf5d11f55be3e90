package grammar

// Keyword is a keyword of JSON Schema that JSONSchema understands.
type Keyword struct {
	Name string
	Of   string // what it says something about
	Note string // how far it is supported, where there is a limit
}

// Keywords returns the keywords that constrain a text. All others are refused
// by name, but for those that IgnoredKeywords returns.
func Keywords() []Keyword { return append([]Keyword(nil), keywords...) }

// IgnoredKeywords returns the keywords that describe and do not constrain.
func IgnoredKeywords() []string { return append([]string(nil), ignored...) }

var keywords = []Keyword{
	{"type", "any value", "a name or a list of names"},
	{"enum", "any value", "objects and arrays only without keywords for their kind beside it"},
	{"const", "any value", "as an enum of one value"},
	{"anyOf", "any value", ""},
	{"oneOf", "any value", "where it is certain that no value fits two branches"},
	{"allOf", "any value", "the branches are merged"},
	{"$ref", "any value", "within the schema: #, #/$defs/NAME and other JSON pointers; recursion too"},
	{"$defs", "any value", ""},
	{"definitions", "any value", "as $defs"},
	{"properties", "objects", "written in the order in which they are listed"},
	{"required", "objects", ""},
	{"additionalProperties", "objects", "without it an object has only the properties listed; a schema or true allows others after them"},
	{"propertyNames", "objects", "without anyOf and oneOf; of an enum, those not listed come last, in its order"},
	{"items", "arrays", "a schema or a boolean"},
	{"prefixItems", "arrays", "all of them are written unless minItems or maxItems says less; others follow only where items allows them"},
	{"minItems", "arrays", "up to 65536"},
	{"maxItems", "arrays", "up to 65536"},
	{"minLength", "strings", "up to 65536"},
	{"maxLength", "strings", "up to 65536"},
	{"pattern", "strings", "lookahead only behind ^; no lookbehind, back references and word boundaries"},
	{"format", "strings", "date-time, date, time, duration, email, hostname, ipv4, ipv6, uuid, uri; others only beside a pattern, which then counts"},
	{"minimum", "numbers", ""},
	{"maximum", "numbers", ""},
	{"exclusiveMinimum", "numbers", "a number"},
	{"exclusiveMaximum", "numbers", "a number"},
	{"multipleOf", "numbers", "up to about 1000 steps of its last digit"},
}

var ignored = []string{
	"title", "description", "default", "example", "examples", "deprecated", "readOnly", "writeOnly",
	"$schema", "$id", "$comment", "contentEncoding", "contentMediaType",
}
