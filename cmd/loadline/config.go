package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"loadline/cmd/loadline/config"
	"loadline/cmd/loadline/fault"
)

func newConfigCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check and print the configuration",
	}
	cmd.AddCommand(newConfigCheckCommand(), newConfigPrintCommand())
	return cmd
}

func newConfigCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check [FILE]",
		Short: "Check a configuration file without starting anything",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			flags := config.AddFlags(cmd.Flags())
			if len(args) == 1 {
				if err := cmd.Flags().Set("config", args[0]); err != nil {
					return err
				}
			}
			cfg, err := loadConfig(flags, nil, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			if cfg.File == "" {
				_, err = fmt.Fprintln(cmd.OutOrStdout(), "ok: no configuration file, all settings have their defaults")
			} else {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "ok: %s\n", cfg.File)
			}
			return err
		},
	}
}

func newConfigPrintCommand() *cobra.Command {
	var defaults bool
	cmd := &cobra.Command{
		Use:   "print",
		Short: "Print every setting with its value",
		Long:  "Print every setting with its value, in the form of a configuration file. Secrets are masked.",
		Args:  cobra.NoArgs,
	}
	flags := config.AddFlags(cmd.Flags())
	cmd.Flags().BoolVar(&defaults, "defaults", false, "print the defaults, not what is configured")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg := config.Default()
		if !defaults {
			var err error
			if cfg, err = loadConfig(flags, nil, cmd.ErrOrStderr()); err != nil {
				return err
			}
		}
		w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
		for _, s := range cfg.Settings() {
			fmt.Fprintf(w, "%s:\t%s\t# %s\n", s.Key, yamlScalar(s.Value), s.Usage)
		}
		return w.Flush()
	}
	return cmd
}

// yamlScalar writes a value so that the configuration file reads it back.
func yamlScalar(v string) string {
	v = strings.ReplaceAll(v, "$", "$$")
	if v == "" || strings.ContainsAny(v[:1], "[]{}*&!|>'\"%@`#,?-") || strings.Contains(v, ": ") || strings.Contains(v, " #") {
		return strconv.Quote(v)
	}
	return v
}

// loadConfig reads the configuration for a command and prints warnings. Its errors are faults.
func loadConfig(flags *config.Flags, overrides config.Override, stderr io.Writer) (config.Config, error) {
	cfg, err := config.Load(flags, overrides, os.Environ())
	for _, warning := range cfg.Warnings {
		fmt.Fprintf(stderr, "warning: %s\n", warning)
	}
	var noAuth *config.NoAuthError
	switch {
	case errors.As(err, &noAuth):
		return cfg, &fault.Error{Code: fault.Config, Err: err, Hint: noAuth.Hint()}
	case err != nil:
		return cfg, &fault.Error{Code: fault.Config, Err: err, Hint: "`loadline config print` shows every key with its value, `loadline config check FILE` checks a file"}
	}
	return cfg, nil
}
