package main

import (
	"errors"

	"github.com/spf13/cobra"

	"loadline/cmd/loadline/config"
	"loadline/cmd/loadline/doctor"
	"loadline/cmd/loadline/fault"
)

func newDoctorCommand() *cobra.Command {
	var cfg doctor.Config
	var quick bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Find what keeps Loadline from working",
		Long: "Check this machine and the running server, with a span over each OTLP transport that is read back. Each line begins\n" +
			"with ✓, ! (worth knowing) or ✗ (does not work) and says how to fix it. The exit code is 1 if any line has ✗.",
		Args: cobra.NoArgs,
	}
	flags := config.AddFlags(cmd.Flags())
	cmd.Flags().StringVar(&cfg.Endpoint, "endpoint", "", "URL of a server on another machine; only that is checked then (default: http.addr)")
	cmd.Flags().BoolVar(&quick, "quick", false, "only ask the server whether it is ready, for health checks of containers")
	cmd.Flags().DurationVar(&cfg.RoundTrip, "wait", 0, "how long a span may take to become visible (default 10s)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var err error
		if cfg.Settings, err = loadConfig(flags, nil, cmd.ErrOrStderr()); err != nil {
			return err
		}
		if quick {
			if err := doctor.Quick(cmd.Context(), cfg); err != nil {
				return &fault.Error{Code: fault.Failed, Err: err}
			}
			return nil
		}
		failed := false
		doctor.Run(cmd.Context(), cfg, func(c doctor.Check) {
			failed = failed || c.Status == doctor.Fail
			doctor.Print(cmd.OutOrStdout(), c)
		})
		if failed {
			return &fault.Error{Code: fault.Failed, Err: errors.New("doctor found a problem"), Quiet: true}
		}
		return nil
	}
	return cmd
}
