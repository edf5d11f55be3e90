package grammar

import "fmt"

// formats are the formats of strings as patterns. They ask for a usual form,
// and may be narrower than their standard: every text is valid, but not every
// valid text is written. An empty pattern is a format that constrains nothing.
var formats = map[string]string{
	"date":      "^" + date + "$",
	"time":      "^" + timeOfDay + "$",
	"date-time": "^" + date + "T" + timeOfDay + "$",
	"duration": "^P([0-9]{1,4}W|(" +
		"[0-9]{1,4}Y([0-9]{1,4}M([0-9]{1,4}D)?)?|[0-9]{1,4}M([0-9]{1,4}D)?|[0-9]{1,4}D)(" + clock + ")?|" + clock + ")$",
	"email":    `^[A-Za-z0-9_+-]{1,16}(\.[A-Za-z0-9_+-]{1,16}){0,2}@` + host + "$",
	"hostname": "^" + host + "$",
	"ipv4":     "^" + ipv4 + "$",
	"ipv6":     "^" + ipv6 + "$",
	"uuid":     "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$",
	"uri": "^[a-z][a-z0-9+.-]{0,15}://" + host + "(:[1-9][0-9]{0,3})?" +
		`(/[A-Za-z0-9._~!$&'()*+,;=:@-]*)*(\?[A-Za-z0-9._~!$&'()*+,;=:@/?-]*)?(#[A-Za-z0-9._~!$&'()*+,;=:@/?-]*)?$`,
	"int32": "", "int64": "", "uint32": "", "uint64": "", "float": "", "double": "",
}

const (
	leapYear = "([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)"
	date     = "([0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|" +
		"02-(0[1-9]|1[0-9]|2[0-8]))|" + leapYear + "-02-29)"
	hourMinute = "([01][0-9]|2[0-3]):[0-5][0-9]"
	timeOfDay  = hourMinute + `:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-]` + hourMinute + ")"
	clock      = "T([0-9]{1,4}H([0-9]{1,4}M([0-9]{1,4}S)?)?|[0-9]{1,4}M([0-9]{1,4}S)?|[0-9]{1,4}S)"

	label = "[A-Za-z0-9]([A-Za-z0-9-]{0,20}[A-Za-z0-9])?"
	host  = label + `(\.` + label + "){0,5}"
	octet = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
	ipv4  = octet + `(\.` + octet + "){3}"
	hex   = "[0-9a-fA-F]{1,4}"
)

// ipv6 is eight groups, or fewer around a double colon.
var ipv6 = func() string {
	forms := "(" + hex + ":){7}" + hex + "|(" + hex + ":){1,7}:|:(:" + hex + "){1,7}|::"
	for before := 1; before <= 6; before++ {
		forms += fmt.Sprintf("|(%s:){%d}(:%s){1,%d}", hex, before, hex, 7-before)
	}
	return "(" + forms + ")"
}()
