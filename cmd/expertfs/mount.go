package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"expertfs"
	"expertfs/cmd/internal/logs"
	"expertfs/cmd/internal/usage"
	"expertfs/fsys/budget"
	"expertfs/policy"

	"github.com/spf13/cobra"
)

// mountConfig is what `expertfs mount` was asked for.
type mountConfig struct {
	checkpoint string
	point      string
	config     string // file with options; "" for none

	ram     string // size, as budget.Parse or budget.ParseAuto reads it
	dense   string // size, or denseAuto
	policy  string
	seed    uint64
	shadows []string // policies to say of what they would have hit
	trace   string   // file that steps are recorded in; "" for none
	heat    string   // file that what is learned is kept in; "" for none

	cacheDir  string // of what is fetched over a network; "" for the default, cacheNone
	cacheSize string // bound on it, a size; "" for none
	plainHTTP bool   // also to other machines

	mirrors []string // folders with copies of the checkpoint

	high, low float64       // watermarks, as shares of the budget; low 0 is the same as high
	maxWait   time.Duration // how long an open waits for a slot

	http    string // address of the page; "" for none
	httpKey string // file with its key; "" for none

	allowOther    bool
	readOnly      bool
	noPassthrough bool
	noForecast    bool
	foreground    bool
	log           logs.Options
	vain          []string // what was given and does nothing, in words
	unlogged      string   // why the log is lost, found out by openLog; "" for one that is not

	// For tests: poorer mechanisms than the system offers.
	mechanism string
	memfd     bool
	noHuge    bool
}

// defaultRAM is what nobody needs to think about.
const defaultRAM = budget.Auto

func newMountCommand() *cobra.Command {
	var c mountConfig
	options := c.declare()
	cmd := &cobra.Command{
		Use:   "mount [CHECKPOINT|embed:tiny MOUNTPOINT]",
		Short: "Mount a checkpoint: every expert is a file",
		Long: `Mount a GPT-OSS checkpoint on an empty directory: a folder in OpenAI's or
Hugging Face's layout, a GGUF file or a folder with one, or a model of Ollama's
(ollama:gpt-oss:20b); of files in shards any one. Or the same in a place on a
network: s3://bucket/prefix, hf://owner/name[@revision][/folder], https://host/path/; experts
are fetched when they are first used, and kept in the cache folder. Returns when the
mount serves, or says why it does not.

The RAM budget bounds the bytes of experts in memory: resident, loading, and
evicted but still mapped by a reader. A percentage is of the memory that this
process may use, control groups included. The default, auto, begins with what
is free now, less what dense weights and a reader need, and follows: it gives
memory back at once when others need it, and takes it again slowly. K, M, G
and KB, MB, GB are powers of 1000, KiB, MiB, GiB powers of 1024.

Policies: ` + strings.Join(policy.Names(), ", ") + `; default is ` + policy.Default + `.

Options of -o are written as in /etc/fstab:
` + options.help(),
		Example: `  expertfs mount --ram 6GiB ~/gpt-oss-20b /mnt/model
  expertfs mount --ram 6GiB --cache-dir /nvme s3://models/gpt-oss-20b /mnt/model
  expertfs mount --mirror /second/gpt-oss-20b ~/gpt-oss-20b /mnt/model
  expertfs mount -f --policy lfu embed:tiny /mnt/tiny
  expertfs mount --http 127.0.0.1:9464 ~/gpt-oss-20b /mnt/model
  /etc/fstab:  /data/gpt-oss-20b  /mnt/model  expertfs  ram=6GiB,nofail  0 0`,
		Args: cobra.MaximumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			options.given = given(cmd.Flags())
			if err := c.locate(options, args); err != nil {
				return withCode(exitUsage, err)
			}
			for _, list := range options.lists {
				if err := options.set(list); err != nil {
					return withCode(exitUsage, err)
				}
			}
			if err := c.validate(); err != nil {
				return err
			}
			c.vain = append(options.repeated, usage.Idle(c.needs(), options.how)...)
			if c.foreground {
				return serve(&c, announce)
			}
			return daemonise(&c)
		},
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().AddFlagSet(options.flags)
	return cmd
}

// ready is what there is to say when a mount serves.
type ready struct {
	Point    string   `json:"point"`
	Reads    string   `json:"reads"` // how they are answered
	Page     string   `json:"page,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
}

// announce tells the caller that the mount serves.
func announce(r ready) error {
	for _, w := range r.Warnings {
		fmt.Fprintln(os.Stderr, "expertfs: warning:", w)
	}
	fmt.Println(r.Point)
	fmt.Println(r.Point + "/" + expertfs.ControlDir)
	fmt.Println("reads:", r.Reads)
	if r.Page != "" {
		fmt.Println("page:", r.Page)
	}
	return nil
}
