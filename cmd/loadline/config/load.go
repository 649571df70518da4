package config

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"loadline/internal/spelling"
)

// searchPaths are read when neither a flag nor the environment names a file.
var searchPaths = []string{"loadline.yaml", "/etc/loadline/loadline.yaml"}

// Flags are the settings on a command line. They keep what was typed as text, so that Load can put it on top of the
// file and the environment, which are read later.
type Flags struct {
	set  *pflag.FlagSet
	file string
}

// AddFlags defines --config and a flag for every setting.
func AddFlags(set *pflag.FlagSet) *Flags {
	f := &Flags{set: set}
	set.StringVar(&f.file, "config", "", "configuration file (default: the first of "+strings.Join(searchPaths, ", ")+")")
	defaults := Default()
	for _, s := range defaults.settings() {
		flag := set.VarPF(&flagValue{text: s.value.String(), kind: s.value.Type()}, s.key, "", s.usage)
		if s.value.Type() == "bool" {
			flag.NoOptDefVal = "true"
		}
	}
	return f
}

// flagValue keeps a flag's text; Load parses it.
type flagValue struct{ text, kind string }

func (v *flagValue) Set(s string) error { v.text = s; return nil }
func (v *flagValue) String() string     { return v.text }
func (v *flagValue) Type() string       { return v.kind }

// Override sets a default that differs from the documented one, for a command such as demo. A file, the environment
// and a flag still win.
type Override map[string]string

// Load merges the sources, later ones winning: defaults, overrides, file, environment, flags. The environment is that of
// os.Environ.
func Load(flags *Flags, overrides Override, environ []string) (Config, error) {
	c := Default()
	known := map[string]setting{}
	for _, s := range c.settings() {
		known[s.key] = s
	}
	for key, text := range overrides {
		if err := known[key].value.Set(text); err != nil {
			panic(fmt.Sprintf("BUG: override %s=%q: %v", key, text, err))
		}
	}
	variables := map[string]string{}
	for _, kv := range environ {
		name, v, _ := strings.Cut(kv, "=")
		variables[name] = v
	}
	if err := c.loadFile(known, flags.file, variables); err != nil {
		return c, err
	}
	if err := c.loadEnvironment(known, variables); err != nil {
		return c, err
	}
	for _, s := range c.settings() {
		flag := flags.set.Lookup(s.key)
		if !flag.Changed {
			continue
		}
		if err := s.value.Set(flag.Value.String()); err != nil {
			return c, badValue("--"+s.key, s, flag.Value.String(), err)
		}
	}
	return c, c.Validate()
}

// loadFile reads the one file that is configured or found.
func (c *Config) loadFile(known map[string]setting, path string, variables map[string]string) error {
	if path == "" {
		path = variables["LOADLINE_CONFIG"]
	}
	if path == "" {
		i := slices.IndexFunc(searchPaths, func(p string) bool { _, err := os.Stat(p); return err == nil })
		if i < 0 {
			return nil
		}
		path = searchPaths[i]
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}
	defer f.Close()
	c.File = path
	entries, err := parseFile(path, f)
	if err != nil {
		return err
	}
	lookup := func(name string) (string, bool) { v, ok := variables[name]; return v, ok }
	for _, e := range entries {
		s, ok := known[e.key]
		if !ok {
			return fmt.Errorf("%s:%d: %s: want keys below it, not the value %q", path, e.line, e.key, e.text)
		}
		text, err := substitute(e.text, lookup)
		if err != nil {
			return fmt.Errorf("%s:%d: %s: %w", path, e.line, e.key, err)
		}
		if err := s.value.Set(text); err != nil {
			return badValue(fmt.Sprintf("%s:%d: %s", path, e.line, e.key), s, text, err)
		}
	}
	return nil
}

// notSettings are variables that begin like ours and mean something else: the file to read, the library for package
// chdb, and where client commands find the server.
var notSettings = []string{"LOADLINE_CONFIG", "LOADLINE_LIBCHDB", "LOADLINE_SERVER"}

// loadEnvironment applies LOADLINE_ variables. An unknown one is a warning, not an error: Kubernetes puts variables like
// LOADLINE_PORT into every container when a service is called loadline.
func (c *Config) loadEnvironment(known map[string]setting, variables map[string]string) error {
	byEnv := map[string]setting{}
	var names []string
	for key, s := range known {
		byEnv[env(key)] = s
		names = append(names, env(key))
	}
	slices.Sort(names)
	for _, name := range names {
		text, set := variables[name]
		if !set || text == "" {
			continue
		}
		if err := byEnv[name].value.Set(text); err != nil {
			return badValue(name, byEnv[name], text, err)
		}
	}
	for name := range variables {
		if _, ok := byEnv[name]; ok || !strings.HasPrefix(name, "LOADLINE_") || slices.Contains(notSettings, name) {
			continue
		}
		if near := spelling.Nearest(name, names); near != "" {
			c.Warnings = append(c.Warnings, fmt.Sprintf("environment variable %s has no effect; did you mean %s?", name, near))
		}
	}
	slices.Sort(c.Warnings)
	return nil
}

// badValue names where a value stood, the value and the accepted form.
func badValue(where string, s setting, text string, err error) error {
	if s.secret {
		text = "********"
	}
	return fmt.Errorf("%s: cannot use %q: %w", where, text, err)
}
