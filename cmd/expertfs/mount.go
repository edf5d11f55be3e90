package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"expertfs"
	"expertfs/policy"
	"expertfs/tiers"

	"github.com/spf13/cobra"
)

// mountConfig is what `expertfs mount` was asked for.
type mountConfig struct {
	checkpoint string
	point      string

	ram    string // size, as budget.Parse reads it
	policy string
	seed   uint64
	ghosts []string // policies to say of what they would have hit
	trace  string   // file that steps are recorded in; "" for none
	heat   string   // file that what is learned is kept in; "" for none

	high, low float64       // watermarks, as shares of the budget; low 0 is the same as high
	maxWait   time.Duration // how long an open waits for a slot

	allowOther    bool
	readOnly      bool
	noPassthrough bool
	noForesight   bool
	foreground    bool
	logLevel      string
	logFile       string
	unlogged      bool // found out by openLog: there is no syslog, and the log is lost

	// For tests: poorer mechanisms than the system offers.
	mechanism string
	memfd     bool
	noHuge    bool
}

// defaultRAM leaves room for the dense part of the model and its reader.
const defaultRAM = "40%"

func newMountCommand() *cobra.Command {
	var c mountConfig
	var options []string
	cmd := &cobra.Command{
		Use:   "mount CHECKPOINT|embed:tiny MOUNTPOINT",
		Short: "Mount a checkpoint: every expert is a file",
		Long: `Mount a GPT-OSS checkpoint (OpenAI or Hugging Face layout, one file or shards)
on an empty directory. Returns when the mount serves, or says why it does not.

The RAM budget bounds the bytes of experts in memory: resident, loading, and
evicted but still mapped by a reader. A percentage is of the memory that this
process may use, control groups included. K, M, G and KB, MB, GB are powers of
1000, KiB, MiB, GiB powers of 1024.

Policies: ` + strings.Join(policy.Names(), ", ") + `; default is ` + policy.Default + `.`,
		Example: `  expertfs mount --ram 6GiB ~/gpt-oss-20b /mnt/model
  expertfs mount -f --policy lfu embed:tiny /mnt/tiny
  /etc/fstab:  /data/gpt-oss-20b  /mnt/model  expertfs  ram=6GiB,nofail  0 0`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			c.checkpoint, c.point = args[0], args[1]
			for _, list := range options {
				if err := c.setOptions(list); err != nil {
					return withCode(exitUsage, err)
				}
			}
			if err := c.validate(); err != nil {
				return err
			}
			if c.foreground {
				return serve(&c, announce)
			}
			return daemonise(&c)
		},
	}
	c.addFlags(cmd, &options)
	return cmd
}

func (c *mountConfig) addFlags(cmd *cobra.Command, options *[]string) {
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&c.ram, "ram", defaultRAM, "RAM `budget` for experts: 6GiB, 40%, ...")
	f.StringVar(&c.policy, "policy", policy.Default, "eviction `policy`: NAME[:key=value,...]")
	f.Uint64Var(&c.seed, "seed", 1, "seed of policies that draw lots")
	f.StringArrayVar(&c.ghosts, "shadow", nil, "tell in stats what this `policy` would have hit; may be repeated")
	f.StringVar(&c.trace, "trace", "", "record the routing in `FILE`, which must not exist; .gz compresses")
	f.StringVar(&c.heat, "heat", "", "keep what is learned about the experts' use in `FILE` from mount to mount; one of another model is left alone")
	f.Float64Var(&c.high, "high", 1, "evict in the background when more than this share of the budget is in use")
	f.Float64Var(&c.low, "low", 0, "and go on until no more than this share is (default: the same share)")
	f.DurationVar(&c.maxWait, "max-wait", tiers.DefaultMaxWait, "how long an open waits while readers hold all RAM, before it fails with EBUSY")
	f.BoolVar(&c.noForesight, "no-foresight", false, "do not read ahead what the policy expects in the next layers")
	f.BoolVarP(&c.foreground, "foreground", "f", false, "stay in the foreground, log to stderr")
	f.StringArrayVarP(options, "options", "o", nil, "mount `options`, as in /etc/fstab: allow_other, ro, ram=SIZE, ...")
	f.BoolVar(&c.noPassthrough, "no-passthrough", false, "answer every read in the daemon")
	f.StringVar(&c.logLevel, "log-level", "info", "debug, info, warn or error")
	f.StringVar(&c.logFile, "log-file", "", "append the log to `FILE` (default: stderr in the foreground, else syslog)")
	f.StringVar(&c.mechanism, "mechanism", "", "force a mechanism: direct, cached")
	f.BoolVar(&c.memfd, "memfd", false, "keep slots in memfds")
	f.BoolVar(&c.noHuge, "no-huge", false, "do without huge pages")
	for _, name := range []string{"mechanism", "memfd", "no-huge"} {
		if err := f.MarkHidden(name); err != nil {
			panic(err) // misspelt above
		}
	}
}

// ready is what there is to say when a mount serves.
type ready struct {
	Point    string   `json:"point"`
	Warnings []string `json:"warnings,omitempty"`
}

// announce tells the caller that the mount serves.
func announce(r ready) error {
	for _, w := range r.Warnings {
		fmt.Fprintln(os.Stderr, "expertfs: warning:", w)
	}
	fmt.Println(r.Point)
	fmt.Println(r.Point + "/" + expertfs.ControlDir)
	return nil
}
