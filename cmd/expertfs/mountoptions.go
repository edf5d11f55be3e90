package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"expertfs/cmd/internal/usage"
	"expertfs/policy"
	"expertfs/tiers"

	"github.com/spf13/pflag"
)

// mountOptions is what a mount can be asked for, each declared once, by declare.
// An option is a flag, an option of -o, or both; its value is the field of a
// mountConfig that it was declared with.
type mountOptions struct {
	flags  *pflag.FlagSet  // of the command line
	listed *pflag.FlagSet  // of -o and /etc/fstab
	lists  []string        // what -o was given
	given  map[string]bool // the flags on the command line

	before   map[string]string // what -o has given each option until now
	said     map[string]string // of -o and the configuration file, how it was said
	repeated []string          // what is to be said of options that -o has twice
}

// declare makes the options that fill c, and sets c to their defaults.
func (c *mountConfig) declare() *mountOptions {
	var both, alone, listed pflag.FlagSet
	f := &both // --name VALUE, and name=VALUE in -o
	f.StringVar(&c.ram, "ram", defaultRAM, "RAM `budget` for experts: 6GiB, 40%, ...; auto, or auto:MIN-MAX, follows the memory that others leave")
	f.StringVar(&c.dense, "dense", denseAuto, "`bound` on dense files in RAM, beside the budget: 2GiB, 10%, ...; auto is what experts and server leave of the memory. Others are read from the drive")
	f.StringVar(&c.policy, "policy", policy.Default, "eviction `policy`: NAME[:key=value,...]")
	f.Uint64Var(&c.seed, "seed", 1, "seed of policies that draw lots, a `number`")
	f.StringArrayVar(&c.shadows, "shadow", nil, "tell in stats what this `policy` would have hit; may be repeated")
	f.StringVar(&c.trace, "trace", "", "record the routing in `FILE`, which must not exist; .gz compresses")
	f.StringVar(&c.heat, "heat", "", "keep what is learned about the experts' use in `FILE`, and what the policy learns in FILE.learned, from mount to mount; those of another model are left alone")
	f.StringVar(&c.cacheDir, "cache-dir", "", "keep what is fetched over a network in `DIR` (default: expertfs in the user's cache folder); none keeps nothing")
	f.StringVar(&c.cacheSize, "cache-size", "", "keep at most `size` of a checkpoint there; the experts used least leave")
	addPlainHTTP(f, &c.plainHTTP)
	f.StringArrayVar(&c.mirrors, "mirror", nil, "read from the copy of the checkpoint in `DIR`, on another drive, as well; what is no copy is refused. May be repeated")
	f.Float64Var(&c.high, "high", 1, "evict in the background when more than this `share` of the budget is in use")
	f.Float64Var(&c.low, "low", 0, "and go on until no more than this `share` is (default: the same)")
	f.DurationVar(&c.maxWait, "max-wait", tiers.DefaultMaxWait, "how long an open waits while readers hold all RAM, before it fails with EBUSY")
	f.BoolVar(&c.noForecast, "no-forecast", false, "do not read ahead what the policy expects in the next layers")
	f.BoolVar(&c.noForecast, "no-foresight", false, "the former name of no-forecast")
	f.Lookup("no-foresight").Hidden = true
	f.BoolVar(&c.noPassthrough, "no-passthrough", false, "answer every read in the daemon")
	f.StringVar(&c.http, "http", "", "show the mount while it works, and /metrics for Prometheus, at this `address`: 127.0.0.1:9464")
	f.StringVar(&c.httpKey, "http-key-file", "", "let those see and change it who have the key in `FILE`")
	c.log.Declare(f, "stderr in the foreground, else syslog")

	f = &listed // in -o, where mount(8) has names for them
	f.BoolVar(&c.allowOther, "allow_other", false, "let other users in, to read")
	f.BoolVar(&c.readOnly, "ro", false, "refuse writes to control files too")
	f.BoolFunc("rw", "the opposite of ro", func(string) error { c.readOnly = false; return nil })

	o := &mountOptions{flags: new(pflag.FlagSet), listed: new(pflag.FlagSet), before: make(map[string]string), said: make(map[string]string)}
	f = &alone // --name, not in -o
	f.BoolVarP(&c.foreground, "foreground", "f", false, "stay in the foreground, log to stderr")
	f.StringArrayVarP(&o.lists, "options", "o", nil, "mount `options`, as in /etc/fstab: allow_other, ro, ram=SIZE, ...")
	f.StringVar(&c.config, "config", "", "read options from `FILE`: lines \"name = value\" with the names of -o, and checkpoint and mountpoint; flags and -o outrank it")
	f.StringVar(&c.mechanism, "mechanism", "", "force a mechanism: direct, cached")
	f.BoolVar(&c.memfd, "memfd", false, "keep slots in memfds")
	f.BoolVar(&c.noHuge, "no-huge", false, "do without huge pages")
	for _, name := range []string{"mechanism", "memfd", "no-huge"} { // for tests
		f.Lookup(name).Hidden = true
	}

	for _, set := range []*pflag.FlagSet{&both, &alone, &listed, o.flags, o.listed} {
		set.SortFlags = false
	}
	o.flags.AddFlagSet(&both)
	o.flags.AddFlagSet(&alone)
	o.listed.AddFlagSet(&both)
	o.listed.AddFlagSet(&listed)
	return o
}

// set reads one list of -o as mount(8) and /etc/fstab write it: options separated
// by commas; a comma or a backslash in a value is escaped by a backslash. Options
// that concern mount(8) or others are accepted and dropped.
//
// Of an option that stands twice, in one list or in two, the last one counts: mount(8)
// puts the options of the command line behind those of /etc/fstab. The user is told of
// one that is given with two values (o.repeated).
func (o *mountOptions) set(list string) error {
	for _, option := range splitOptions(list) {
		name, value, hasValue := strings.Cut(option, "=")
		if strings.HasPrefix(name, "x-") || strings.HasPrefix(name, "X-") || ignoredOptions[name] {
			continue
		}
		if err := o.setOne(name, value, hasValue); err != nil {
			return err
		}
		if first, twice := o.before[name]; twice && first != value && o.listed.Lookup(name).Value.Type() != "stringArray" {
			o.repeated = append(o.repeated, fmt.Sprintf("option %s is given as %s and as %s; the last one counts", name, first, value))
		}
		o.before[name], o.said[name] = value, "option "+name
	}
	return nil
}

// setOne sets an option by its name in -o.
func (o *mountOptions) setOne(name, value string, hasValue bool) error {
	flag := o.listed.Lookup(name)
	switch {
	case name == "remount":
		return errors.New("option remount: a mount keeps its options; .expertfs/ram and .expertfs/policy change those two, umount and mount the rest")
	case flag == nil:
		return fmt.Errorf("unknown mount option %q", strings.TrimSuffix(name+"="+value, "="))
	case isSwitch(flag) && hasValue:
		return fmt.Errorf("option %s: takes no value", name)
	case isSwitch(flag):
		value = flag.NoOptDefVal
	case value == "":
		return fmt.Errorf("option %s: wants a value", name)
	}
	if err := flag.Value.Set(value); err != nil {
		return usage.Value("option "+name, value, flag, err)
	}
	return nil
}

// given returns the names of the flags that the command line has set.
func given(flags *pflag.FlagSet) map[string]bool {
	names := make(map[string]bool)
	flags.Visit(func(f *pflag.Flag) { names[f.Name] = true })
	return names
}

// how tells how an option was said, "" for one that was not given. What outranks
// others comes first.
func (o *mountOptions) how(name string) string {
	if o.given[name] {
		return "--" + name
	}
	return o.said[name]
}

// isSwitch tells whether a flag stands without a value.
func isSwitch(f *pflag.Flag) bool { return f.NoOptDefVal != "" }

// help lists the options of -o: those that are flags too by their names.
func (o *mountOptions) help() string {
	var own strings.Builder
	var shared []string
	o.listed.VisitAll(func(f *pflag.Flag) {
		switch {
		case f.Hidden:
		case o.flags.Lookup(f.Name) == nil:
			fmt.Fprintf(&own, "  %-12s %s\n", f.Name, f.Usage)
		case isSwitch(f):
			shared = append(shared, f.Name)
		default:
			shared = append(shared, f.Name+"=")
		}
	})
	return own.String() + "and those that are flags too: " + strings.Join(shared, " ")
}

// table is the table of all options in the form that docs/mounting.md has.
func (o *mountOptions) table() string {
	var t strings.Builder
	t.WriteString("| flag | in `-o` | default | what it does |\n| --- | --- | --- | --- |\n")
	row := func(f *pflag.Flag) {
		kind, what := pflag.UnquoteUsage(f)
		cells := []string{"", "", "", what}
		if o.flags.Lookup(f.Name) != nil {
			cells[0] = strings.TrimSpace("--" + f.Name + " " + kind)
			if f.Shorthand != "" {
				cells[0] = "-" + f.Shorthand + ", " + cells[0]
			}
		}
		if o.listed.Lookup(f.Name) != nil {
			cells[1] = f.Name
			if !isSwitch(f) {
				cells[1] += "=" + kind
			}
		}
		if !isSwitch(f) && !slices.Contains([]string{"", "0", "[]"}, f.DefValue) {
			cells[2] = "`" + f.DefValue + "`"
		}
		for i, c := range cells[:2] {
			if c != "" {
				cells[i] = "`" + c + "`"
			}
		}
		fmt.Fprintf(&t, "| %s |\n", strings.Join(cells, " | "))
	}
	o.flags.VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			row(f)
		}
	})
	o.listed.VisitAll(func(f *pflag.Flag) {
		if o.flags.Lookup(f.Name) == nil {
			row(f)
		}
	})
	return t.String()
}

// ignoredOptions mean nothing to this filesystem: they are for mount(8) or
// systemd, or concern what does not happen on it (writes, access times, devices,
// programs, symlinks that lead out of it).
var ignoredOptions = make(map[string]bool)

func init() {
	for name := range strings.FieldsSeq(`defaults auto noauto nofail _netdev user nouser users owner group comment
		nosuid suid nodev dev noexec exec nosymfollow symfollow atime noatime relatime norelatime strictatime
		nostrictatime lazytime nolazytime diratime nodiratime sync async dirsync mand nomand iversion noiversion
		silent loud`) {
		ignoredOptions[name] = true
	}
	ignoredOptions[""] = true // of two commas in a row
}

// splitOptions cuts a list at its commas and undoes the escapes.
func splitOptions(list string) []string {
	var options []string
	var option strings.Builder
	for i := 0; i < len(list); i++ {
		switch {
		case list[i] == '\\' && i+1 < len(list):
			i++
			option.WriteByte(list[i])
		case list[i] == ',':
			options = append(options, option.String())
			option.Reset()
		default:
			option.WriteByte(list[i])
		}
	}
	return append(options, option.String())
}

// addPlainHTTP adds --plain-http, which all commands have that may ask a network.
func addPlainHTTP(f *pflag.FlagSet, allowed *bool) {
	f.BoolVar(allowed, "plain-http", false, "fetch from http:// addresses of other machines, where anybody in between reads and changes what passes")
}
