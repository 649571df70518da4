package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"os/signal"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"loadline/cmd/loadline/answer"
	"loadline/cmd/loadline/config"
	"loadline/cmd/loadline/fault"
)

// queryOptions are the flags of query, as they are given.
type queryOptions struct {
	url, output             string
	at                      string
	start, end, since, step string
	timeout                 string
}

func newQueryCommand() *cobra.Command {
	var o queryOptions
	cmd := &cobra.Command{
		Use:   "query EXPR",
		Short: "Ask a running server a PromQL question",
		Long: "Evaluate a PromQL expression on a running server and print what comes out: now, or, with --since or --start, at steps\n" +
			"over a range of time as a line of bars for each series.\n\n" +
			"Times are RFC 3339, Unix seconds, or so long ago: -90m. Durations have the units ms, s, m, h, d and w.",
		Example: "  loadline query 'sum by (service) (rate(http_requests_total[5m]))'\n" +
			"  loadline query --since 1h 'histogram_quantile(0.99, sum by (service) (rate(traces_span_duration_seconds[5m])))'\n" +
			"  loadline query --start 2026-03-01T08:00:00Z --end 2026-03-01T09:00:00Z --step 30s -o csv up",
		Args: cobra.ExactArgs(1),
	}
	f := cmd.Flags()
	f.StringVar(&o.url, "url", "http://127.0.0.1:8080", "URL of the server")
	f.StringVarP(&o.output, "output", "o", "table", "table, csv or json")
	f.StringVar(&o.at, "time", "", "when to evaluate (default now)")
	f.StringVar(&o.start, "start", "", "beginning of a range")
	f.StringVar(&o.end, "end", "", "end of a range (default now)")
	f.StringVar(&o.since, "since", "", "length of a range, such as 1h")
	f.StringVar(&o.step, "step", "", "distance of the points of a range (default: some 60 points)")
	f.StringVar(&o.timeout, "timeout", "", "how long the server may take (default: as long as it allows)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		return o.run(ctx, args[0], time.Now(), cmd.OutOrStdout(), cmd.ErrOrStderr())
	}
	return cmd
}

// run asks and prints.
func (o *queryOptions) run(ctx context.Context, expr string, now time.Time, stdout, stderr io.Writer) error {
	path, form, err := o.request(now)
	if err == nil && !slices.Contains([]string{"table", "csv", "json"}, o.output) {
		err = fmt.Errorf("--output: cannot use %q: want table, csv or json", o.output)
	}
	if err != nil {
		return &fault.Error{Code: fault.Usage, Err: err, Hint: "`loadline query --help` lists the flags with their values"}
	}
	form.Set("query", expr)
	got, err := askServer(ctx, strings.TrimRight(o.url, "/")+path, form)
	switch {
	case ctx.Err() != nil:
		return &fault.Error{Code: fault.Interrupted, Err: context.Cause(ctx), Quiet: true}
	case err != nil:
		return &fault.Error{Code: fault.Unreachable, Err: err, Hint: "--url names the server; `loadline doctor` checks it"}
	case got.Status != "success":
		return refusal(got, expr)
	}
	for _, w := range got.Warnings {
		fmt.Fprintf(stderr, "warning: %s\n", w)
	}
	for _, i := range got.Infos {
		fmt.Fprintf(stderr, "info: %s\n", i)
	}
	out, err := got.Print(o.output)
	if err != nil {
		return &fault.Error{Code: fault.Unreachable, Err: err, Hint: "the server's version may differ: `loadline version`"}
	}
	_, err = io.WriteString(stdout, out)
	return err
}

// request says where to ask and which times to ask for.
func (o *queryOptions) request(now time.Time) (path string, form url.Values, err error) {
	form = url.Values{}
	if o.timeout != "" {
		d, err := positive("--timeout", o.timeout)
		if err != nil {
			return "", nil, err
		}
		form.Set("timeout", seconds(d))
	}
	if o.start == "" && o.end == "" && o.since == "" && o.step == "" {
		at, err := moment("--time", o.at, now, now)
		if err != nil {
			return "", nil, err
		}
		form.Set("time", unixSeconds(at))
		return "/api/v1/query", form, nil
	}
	if o.at != "" {
		return "", nil, errors.New("--time is one moment, and --start, --end, --since and --step are a range: want either")
	}
	start, end, err := o.span(now)
	if err != nil {
		return "", nil, err
	}
	step := niceStep(end.Sub(start))
	if o.step != "" {
		if step, err = positive("--step", o.step); err != nil {
			return "", nil, err
		}
	}
	form.Set("start", unixSeconds(start))
	form.Set("end", unixSeconds(end))
	form.Set("step", seconds(step))
	return "/api/v1/query_range", form, nil
}

// span is the range of time. Without a beginning it is the hour before its end.
func (o *queryOptions) span(now time.Time) (start, end time.Time, err error) {
	if o.start != "" && o.since != "" {
		return start, end, errors.New("--start and --since both say where the range begins: want one of them")
	}
	if end, err = moment("--end", o.end, now, now); err != nil {
		return start, end, err
	}
	length := time.Hour
	if o.since != "" {
		if length, err = positive("--since", o.since); err != nil {
			return start, end, err
		}
	}
	if start, err = moment("--start", o.start, now, end.Add(-length)); err != nil {
		return start, end, err
	}
	if end.Before(start) {
		return start, end, fmt.Errorf("the range ends at %s, before it begins at %s", end.UTC().Format(time.RFC3339), start.UTC().Format(time.RFC3339))
	}
	return start, end, nil
}

// moment reads a time: RFC 3339, Unix seconds, or a duration before now with a minus in front. An empty one is fallback.
func moment(flag, s string, now, fallback time.Time) (time.Time, error) {
	if s == "" {
		return fallback, nil
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t, nil
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil && math.Abs(f) < 1e12 {
		return time.UnixMilli(int64(math.Round(f * 1000))), nil
	}
	if ago, ok := strings.CutPrefix(s, "-"); ok {
		if d, err := config.ParseDuration(ago); err == nil {
			return now.Add(-d), nil
		}
	}
	return time.Time{}, fmt.Errorf("%s: cannot use %q: want a time, such as 2026-03-01T08:00:00Z, 1772352000 or -90m", flag, s)
}

func positive(flag, s string) (time.Duration, error) {
	d, err := config.ParseDuration(s)
	if err == nil && d <= 0 {
		err = errors.New("want more than 0")
	}
	if err != nil {
		return 0, fmt.Errorf("%s: cannot use %q: %w", flag, s, err)
	}
	return d, nil
}

// niceStep makes some 60 points of a range, at a distance that people count in.
func niceStep(length time.Duration) time.Duration {
	for _, step := range []time.Duration{
		time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
		time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
		time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	} {
		if length <= 60*step {
			return step
		}
	}
	const day = 24 * time.Hour
	return (length/60 + day - 1) / day * day
}

func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) }

func unixSeconds(t time.Time) string { return seconds(time.Duration(t.UnixMilli()) * time.Millisecond) }

// askServer posts a form and reads the answer, be it a success or an error of the API.
func askServer(ctx context.Context, address string, form url.Values) (*answer.Answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return answer.Read(resp.Body, address, resp.StatusCode)
}

// parseError is what the parser says of an expression, with line and column counted from 1.
var parseError = regexp.MustCompile(`(?s)^.*?(\d+):(\d+): (parse error: .*)$`)

// refusal turns an error of the API into one of the program. A mistake in the expression is shown where it is.
func refusal(a *answer.Answer, expr string) *fault.Error {
	f := &fault.Error{Code: fault.Failed, Err: errors.New(a.Error)}
	if a.ErrorType == "bad_data" {
		f.Code = fault.Usage
	}
	m := parseError.FindStringSubmatch(a.Error)
	if m == nil {
		return f
	}
	line, _ := strconv.Atoi(m[1])
	column, _ := strconv.Atoi(m[2])
	lines := strings.Split(expr, "\n")
	if line < 1 || line > len(lines) || column < 1 {
		return f
	}
	text := lines[line-1]
	before := utf8.RuneCountInString(text[:min(column-1, len(text))])
	f.Err = fmt.Errorf("%s\n  %s\n  %s^", m[3], strings.ReplaceAll(text, "\t", " "), strings.Repeat(" ", before))
	return f
}
