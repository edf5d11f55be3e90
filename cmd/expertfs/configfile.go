package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// configFile is what a configuration file says of a mount besides its options.
type configFile struct {
	checkpoint, point string // "" where it does not say
}

// load reads a configuration file: lines "name = value" with the options of -o, a
// switch by its name alone, and checkpoint and mountpoint. An empty line, or one
// that begins with #, says nothing. Flags of the command line outrank the file.
func (o *mountOptions) load(path string) (configFile, error) {
	var c configFile
	f, err := os.Open(path)
	if err != nil {
		return c, fmt.Errorf("--config: %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, hasValue := strings.Cut(line, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		switch {
		case name == "checkpoint":
			c.checkpoint = value
		case name == "mountpoint":
			c.point = value
		case o.given[name] && o.listed.Lookup(name) != nil:
		default:
			err = o.setOne(name, value, hasValue)
			o.said[name] = fmt.Sprintf("%s of %s", name, path)
		}
		if err != nil {
			return c, fmt.Errorf("%s:%d: %w", path, n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return c, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// notGiven complains of what neither the command line nor a file names.
func (c *mountConfig) notGiven() error {
	var missing []string
	if c.checkpoint == "" {
		missing = append(missing, "checkpoint")
	}
	if c.point == "" {
		missing = append(missing, "mountpoint")
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("no %s is given; usage: expertfs mount CHECKPOINT MOUNTPOINT, or --config FILE with lines \"checkpoint = ...\" and \"mountpoint = ...\"", strings.Join(missing, " and no "))
}

// locate takes checkpoint and mount point from the arguments, or else from the
// configuration file, whose options it sets.
func (c *mountConfig) locate(o *mountOptions, args []string) error {
	args = slices.Clone(args)
	if c.config != "" {
		if len(args) == 1 {
			return errors.New("with --config, name both CHECKPOINT and MOUNTPOINT or neither")
		}
		file, err := o.load(c.config)
		if err != nil {
			return err
		}
		if len(args) == 0 {
			args = []string{file.checkpoint, file.point}
		}
	}
	args = append(args, "", "")
	c.checkpoint, c.point = args[0], args[1]
	return c.notGiven()
}
