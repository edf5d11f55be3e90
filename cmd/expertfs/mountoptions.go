package main

import (
	"fmt"
	"strings"
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
		if text := c.valueOption(name); text != nil {
			if !hasValue || value == "" {
				return fmt.Errorf("option %s: wants a value", name)
			}
			*text = value
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

// valueOption is where an option with a value is kept, nil for other options.
func (c *mountConfig) valueOption(name string) *string {
	switch name {
	case "ram":
		return &c.ram
	case "policy":
		return &c.policy
	case "trace":
		return &c.trace
	case "heat":
		return &c.heat
	case "log-level":
		return &c.logLevel
	case "log-file":
		return &c.logFile
	}
	return nil
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
