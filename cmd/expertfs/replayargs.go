package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"expertfs"
	"expertfs/policy"
	"expertfs/policy/replay"
)

// tracePaths replaces folders by the traces in them. A shell that leaves a
// pattern as it is, because it is quoted, has it expanded here.
func tracePaths(args []string) ([]string, error) {
	var paths []string
	for _, arg := range args {
		info, err := os.Stat(arg)
		if err != nil {
			found, _ := filepath.Glob(arg) // a bad pattern is a file that is not there
			if len(found) == 0 {
				return nil, err
			}
			paths = append(paths, found...)
			continue
		}
		if !info.IsDir() {
			paths = append(paths, arg)
			continue
		}
		entries, err := os.ReadDir(arg)
		if err != nil {
			return nil, err
		}
		before := len(paths)
		for _, e := range entries {
			if name := e.Name(); !e.IsDir() && (strings.HasSuffix(name, ".csv") || strings.HasSuffix(name, ".csv.gz")) {
				paths = append(paths, filepath.Join(arg, name))
			}
		}
		if len(paths) == before {
			return nil, fmt.Errorf("%s: no .csv or .csv.gz in it", arg)
		}
	}
	return paths, nil
}

// replaySpecs reads the list of policies. A comma also separates parameters,
// so a part of the form key=value belongs to the policy before it.
func replaySpecs(list string, s expertfs.Shape, seed uint64) ([]string, error) {
	var specs []string
	for part := range strings.SplitSeq(list, ",") {
		part = strings.TrimSpace(part)
		hasParameters := strings.Contains(part, ":")
		switch {
		case part == "all":
			specs = append(specs, policy.Names()...)
		case !hasParameters && strings.Contains(part, "=") && len(specs) > 0:
			specs[len(specs)-1] += "," + part
		default:
			specs = append(specs, part)
		}
	}
	s.Budget = s.ExpertBytes
	for _, spec := range specs {
		if spec == replay.Belady {
			continue
		}
		if _, err := policy.New(spec, s, seed); err != nil {
			return nil, err
		}
	}
	return specs, nil
}

// parseBudgets reads shares of the total, 25%, and sizes, 6GiB.
func parseBudgets(list string, total int64) ([]int64, error) {
	var budgets []int64
	for part := range strings.SplitSeq(list, ",") {
		part = strings.TrimSpace(part)
		if strings.HasSuffix(part, "%") {
			share, err := parsePercent(part)
			if err != nil {
				return nil, err
			}
			budgets = append(budgets, int64(share*float64(total)+0.5))
			continue
		}
		n, err := expertfs.ParseSize(part)
		if err != nil || n == 0 || n > 1<<60 {
			return nil, fmt.Errorf("%q is neither a share like 25%% nor a size like 6GiB", part)
		}
		budgets = append(budgets, n)
	}
	slices.Sort(budgets)
	return slices.Compact(budgets), nil
}

// parsePercent reads 25% as 0.25.
func parsePercent(text string) (float64, error) {
	number, ok := strings.CutSuffix(text, "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if !ok || err != nil || !(v > 0 && v <= 100) {
		return 0, fmt.Errorf("%q is not a share like 25%%", text)
	}
	return v / 100, nil
}

// parseBandwidth reads 2GB/s as bytes per second, and "" as 0.
func parseBandwidth(text string) (float64, error) {
	if text == "" {
		return 0, nil
	}
	n, err := expertfs.ParseSize(strings.TrimSuffix(text, "/s"))
	if err != nil || n == 0 {
		return 0, fmt.Errorf("--bandwidth %s: expected a speed like 2GB/s", text)
	}
	return float64(n), nil
}
