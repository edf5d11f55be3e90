package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// setOptions reads a list of mount options as mount(8) and /etc/fstab write it:
// separated by commas; a comma or a backslash in a value is escaped by a
// backslash. Options that concern mount(8) or others are accepted and dropped.
func (c *mountConfig) setOptions(list string) error {
	for _, option := range splitOptions(list) {
		name, value, hasValue := strings.Cut(option, "=")
		if strings.HasPrefix(name, "x-") || ignoredOptions[name] {
			continue
		}
		if known, err := c.setValue(name, value); known {
			if value == "" {
				return fmt.Errorf("option %s: wants a value", name)
			}
			if err != nil {
				return fmt.Errorf("option %s: %w", name, err)
			}
			continue
		}
		flag := c.flagOption(name)
		if flag == nil {
			return fmt.Errorf("unknown mount option %q", option)
		}
		if hasValue {
			return fmt.Errorf("option %s: takes no value", name)
		}
		*flag = name != "rw"
	}
	return nil
}

// setValue sets an option that has a value. It tells whether name is one.
func (c *mountConfig) setValue(name, value string) (known bool, err error) {
	switch name {
	case "ram":
		c.ram = value
	case "policy":
		c.policy = value
	case "seed":
		c.seed, err = strconv.ParseUint(value, 0, 64)
	case "shadow":
		c.ghosts = append(c.ghosts, value)
	case "trace":
		c.trace = value
	case "heat":
		c.heat = value
	case "high":
		c.high, err = strconv.ParseFloat(value, 64)
	case "low":
		c.low, err = strconv.ParseFloat(value, 64)
	case "max-wait":
		c.maxWait, err = time.ParseDuration(value)
	case "log-level":
		c.logLevel = value
	case "log-file":
		c.logFile = value
	default:
		return false, nil
	}
	return true, err
}

// flagOption is where an option without a value is kept, nil for other options.
func (c *mountConfig) flagOption(name string) *bool {
	switch name {
	case "allow_other":
		return &c.allowOther
	case "ro", "rw":
		return &c.readOnly
	case "no-passthrough":
		return &c.noPassthrough
	case "no-foresight":
		return &c.noForesight
	}
	return nil
}

// ignoredOptions mean nothing to this filesystem: they are for mount(8) or
// systemd, or ask for what holds anyway.
var ignoredOptions = map[string]bool{
	"": true, "defaults": true, "auto": true, "noauto": true, "nofail": true, "_netdev": true,
	"user": true, "nouser": true, "users": true, "owner": true, "group": true, "comment": true,
	"nosuid": true, "nodev": true, "noexec": true, "exec": true, "suid": true, "dev": true,
	"atime": true, "noatime": true, "relatime": true, "strictatime": true, "diratime": true,
	"nodiratime": true, "sync": true, "async": true, "dirsync": true,
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
