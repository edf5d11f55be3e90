package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"expertfs/scripts/records/report"

	"golang.org/x/sys/unix"
)

// kinds names processors by vendor, family and model, where the name that they give
// does not tell.
var kinds = map[string]string{
	"AuthenticAMD 25 1": "Zen 3", "AuthenticAMD 25 33": "Zen 3",
	"AuthenticAMD 25 17": "Zen 4", "AuthenticAMD 25 97": "Zen 4", "AuthenticAMD 25 116": "Zen 4",
	"AuthenticAMD 26 2": "Zen 5", "AuthenticAMD 26 17": "Zen 5", "AuthenticAMD 26 68": "Zen 5",
	"GenuineIntel 6 106": "Ice Lake", "GenuineIntel 6 143": "Sapphire Rapids", "GenuineIntel 6 207": "Emerald Rapids",
	"GenuineIntel 6 173": "Granite Rapids", "GenuineIntel 6 85": "Cascade Lake",
}

// thisMachine describes the machine; name is its kind where it is given.
func thisMachine(name string) (report.Machine, error) {
	var m report.Machine
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return m, err
	}
	fields := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && fields[strings.TrimSpace(key)] == "" {
			fields[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	m.CPU = fields["model name"]
	if m.CPU == "" {
		m.CPU = runtime.GOARCH
	}
	m.Name = name
	if m.Name == "" {
		m.Name = kinds[fields["vendor_id"]+" "+fields["cpu family"]+" "+fields["model"]]
	}
	if m.Name == "" {
		m.Name = m.CPU
	}
	m.CPUs = runtime.NumCPU()
	m.Instructions = runtime.GOARCH
	for _, level := range []string{"avx2", "avx512_vnni"} {
		if strings.Contains(" "+fields["flags"]+" ", " "+level+" ") {
			m.Instructions = strings.TrimSuffix(level, "_vnni")
		}
	}
	if m.Memory, err = memory("MemTotal"); err != nil {
		return m, err
	}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return m, err
	}
	m.Kernel = unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Release[:])
	return m, nil
}

// memory reads a line of /proc/meminfo, in bytes.
func memory(key string) (int64, error) {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), key+":")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0, fmt.Errorf("/proc/meminfo has no %s", key)
	}
	kib, err := strconv.ParseInt(fields[0], 10, 64)
	return kib << 10, err
}

// commit of the project; + tells that what is built differs from it.
func commit(root string) string {
	out, err := exec.Command("git", "-C", root, "rev-parse", "--short=9", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	id := strings.TrimSpace(string(out))
	changes, err := exec.Command("git", "-C", root, "status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs", ":!README.md").Output()
	if err != nil || len(changes) > 0 {
		id += "+"
	}
	return id
}

// drive returns the block device that a path lies on, and the file that sets its
// readahead, "" where there is none.
func drive(path string) (name, readahead string) {
	out, err := exec.Command("df", "--output=source", path).Output()
	if err != nil {
		return "", ""
	}
	lines := strings.Fields(string(out))
	name = filepath.Base(lines[len(lines)-1])
	block, err := filepath.EvalSymlinks("/sys/class/block/" + name)
	if err != nil {
		return name, ""
	}
	for _, dir := range []string{block, filepath.Dir(block)} { // of a partition the queue is the disk's
		file := filepath.Join(dir, "queue/read_ahead_kb")
		if _, err := os.Stat(file); err == nil {
			return filepath.Base(dir), file
		}
	}
	return name, ""
}
