package main

import "errors"

// cpuStrict is the value of --cpu-strict, written 0 or 1 as llama.cpp has it.
type cpuStrict struct{ anyCPU *bool }

func (c cpuStrict) Type() string { return "0|1" }

func (c cpuStrict) String() string {
	if *c.anyCPU {
		return "0"
	}
	return "1"
}

func (c cpuStrict) Set(s string) error {
	if s != "0" && s != "1" {
		return errors.New("neither 0 nor 1")
	}
	*c.anyCPU = s == "0"
	return nil
}
