package main

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"

	"expertfs/cmd/internal/build"
	"expertfs/infer/kernel"

	"github.com/spf13/cobra"
)

func newVersionCommand() *cobra.Command {
	var verbose bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version, and with -v the kernels in use",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := &bytes.Buffer{}
			fmt.Fprintln(out, "gptoss", build.Version(), runtime.Version())
			if verbose {
				fmt.Fprintf(out, "kernels %s (of %s; %s chooses)\n", kernel.Name(), strings.Join(kernel.Names(), ", "), kernel.Variable)
				if kernel.Portable() {
					fmt.Fprintln(out, kernelNote())
				}
				fmt.Fprintf(out, "threads %d\n", processors)
			}
			_, err := out.WriteTo(cmd.OutOrStdout())
			return err
		},
	}
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "also print which kernels this processor has")
	return cmd
}

// kernelNote says what it costs that no instruction set of the processor is used.
func kernelNote() string {
	why := "there are none for this processor"
	if len(kernel.Names()) > 1 {
		why = kernel.Variable + " says so"
	}
	return "kernels in plain Go compute, some 20 times slower than those for AVX-512: " + why
}
