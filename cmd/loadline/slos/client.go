// Package slos is the command `loadline slo`: what it asks the API of a running server, and how it prints the answers.
package slos

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"loadline/cmd/loadline/fault"
	"loadline/cmd/loadline/slos/sources"
	"loadline/slo/spec"
	"loadline/web/sloapi/wire"
)

// client asks a server.
type client struct {
	url    string // of the server
	author string // of changes
}

// request is what is asked. Method defaults to GET.
type request struct {
	method string
	path   []string // below /api/v1/slos
	query  url.Values
	body   string
	match  uint64         // the revision that is changed, 0 for any
	files  *sources.Files // that the body is made of; nil when it is not from files
}

// ask asks and decodes the data of the answer. It returns what the server warns of.
func (c *client) ask(ctx context.Context, r request, into any) ([]string, error) {
	resp, err := c.send(ctx, r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var a wire.Answer
	err = json.NewDecoder(resp.Body).Decode(&a)
	switch {
	case err != nil || a.Status != "success" && a.Error == "":
		return nil, c.stranger(resp)
	case a.Status != "success":
		return nil, refusal(&a, r.files)
	}
	if err := json.Unmarshal(a.Data, into); err != nil {
		return nil, unreachable(fmt.Errorf("decode the answer: %w", err), "the server's version may differ: `loadline version`")
	}
	return a.Warnings, nil
}

// text asks for an answer that is no JSON.
func (c *client) text(ctx context.Context, r request) (string, error) {
	resp, err := c.send(ctx, r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", unreachable(err, "")
	}
	if resp.StatusCode == http.StatusOK {
		return string(text), nil
	}
	var a wire.Answer
	if json.NewDecoder(bytes.NewReader(text)).Decode(&a) != nil || a.Error == "" {
		return "", c.stranger(resp)
	}
	return "", refusal(&a, r.files)
}

func (c *client) send(ctx context.Context, r request) (*http.Response, error) {
	address := strings.TrimRight(c.url, "/") + "/api/v1/slos"
	for _, part := range r.path {
		address += "/" + url.PathEscape(part)
	}
	if len(r.query) > 0 {
		address += "?" + r.query.Encode()
	}
	if r.method == "" {
		r.method = http.MethodGet
	}
	req, err := http.NewRequestWithContext(ctx, r.method, address, strings.NewReader(r.body))
	if err != nil {
		return nil, &fault.Error{Code: fault.Usage, Err: err, Hint: "--url names the server, such as http://127.0.0.1:8080"}
	}
	if c.author != "" {
		req.Header.Set("X-Loadline-User", c.author)
	}
	if r.body != "" {
		req.Header.Set("Content-Type", "application/yaml")
	}
	if r.match != 0 {
		req.Header.Set("If-Match", fmt.Sprintf("%q", fmt.Sprint(r.match)))
	}
	resp, err := http.DefaultClient.Do(req)
	switch {
	case ctx.Err() != nil:
		return nil, &fault.Error{Code: fault.Interrupted, Err: context.Cause(ctx), Quiet: true}
	case err != nil:
		return nil, unreachable(err, "")
	}
	return resp, nil
}

// unreachable is the error for a server that does not answer, or not as this program expects.
func unreachable(err error, hint string) error {
	if hint == "" {
		hint = "--url names the server; `loadline doctor` checks it"
	}
	return &fault.Error{Code: fault.Unreachable, Err: err, Hint: hint}
}

func (c *client) stranger(resp *http.Response) error {
	return unreachable(fmt.Errorf("%s answers with status %d and nothing of the API of objectives", resp.Request.URL.Redacted(), resp.StatusCode), "")
}

// refusal turns an error of the API into one of the program. Problems of definitions are told where they are in files.
func refusal(a *wire.Answer, files *sources.Files) error {
	f := &fault.Error{Code: fault.Failed, Err: errors.New(a.Error)}
	switch a.ErrorType {
	case "bad_data":
		f.Code = fault.Usage
		f.Hint = "`loadline slo --help` lists the commands, `loadline slo COMMAND --help` its flags"
	case "not_found":
		f.Hint = "`loadline slo list` shows what there is"
	case "conflict":
		f.Hint = "`loadline slo history` shows the change; get the definition again, edit that, and apply it"
	case "invalid_definition":
		if len(a.Problems) > 0 {
			f.Err = errors.New(problems(files.Place(a.Problems)))
		}
	}
	return f
}

// problems are one a line.
func problems(list []spec.Problem) string {
	lines := make([]string, len(list))
	for i, p := range list {
		lines[i] = p.Error()
		if p.Severity == spec.Warning {
			lines[i] = "warning: " + lines[i]
		}
	}
	return strings.Join(lines, "\n")
}
