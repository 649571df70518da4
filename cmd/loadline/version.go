package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"loadline/cmd/loadline/fault"
	"loadline/internal/selfmon"
)

func newVersionCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print which build this is",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b := selfmon.BuildInfo()
			switch output {
			case "text":
				_, err := fmt.Fprintln(cmd.OutOrStdout(), b)
				return err
			case "json":
				return json.NewEncoder(cmd.OutOrStdout()).Encode(b)
			}
			return &fault.Error{Code: fault.Usage, Err: fmt.Errorf("--output: cannot use %q", output), Hint: "want text or json"}
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}
