// Package page is what the pages of SLOs look like: values shaped like the screen, and the components that show them.
// Components take these values and a [view.Page] and do no arithmetic.
package page

import "loadline/web/view"

// A Row is a line of the list: one objective of an SLO.
type Row struct {
	Key, Title, Href      string
	Part                  string // the objective, where an SLO has several
	About                 string // service and endpoint
	Promise               string
	Objective, Window     string
	Attained              string
	Left                  float64 // percent, for the meter
	LeftText, LeftClass   string
	Burn, Exhausted       string
	BurnBad, ExhaustedBad bool
	Health                view.Health
	Spark, SparkClass     string
	Owner, Note           string
}

// A Group is rows under a heading, which is empty when nothing is grouped.
type Group struct {
	Title string
	Rows  []Row
}

// List is the page of all SLOs.
type List struct {
	Meta        []string
	Filters     []view.Choice // by health
	Grouping    []view.Choice
	Table       view.Table
	Groups      []Group
	Find        string // part of a name
	Searchable  bool
	Rest        []view.Param // what the search sends along
	More        view.Choice  // leads to those that are not shown
	Problems    []Problem    // of definition files
	Suggestions []Suggestion
	SuggestErr  *view.Failure
	New         string
}

// A Problem is a mistake in a definition, with its place and its remedy.
type Problem struct {
	Where, Text, Remedy string
	Warning             bool
}

// A Suggestion is an objective that a busy endpoint would meet.
type Suggestion struct {
	Title, Text string
	Adjust      string // address of the form filled in
	Fields      []view.Param
}

// A Figure is one key figure.
type Figure struct {
	ID, Label, Value, Unit string
	Note, NoteClass, Title string
	Spark, SparkClass      string
}

// A Line is a threshold in a chart, named in its right margin.
type Line struct {
	Value float64 `json:"v"`
	Label string  `json:"l"`
	Color string  `json:"c"`
}

// A Zone is a stretch of time that is tinted in a chart: an incident, or what does not count.
type Zone struct {
	From  int64  `json:"from"`
	To    int64  `json:"to"`
	Color string `json:"c"`
	Label string `json:"l,omitempty"`
}

// A Chart is a chart with thresholds, zones and dashed series.
type Chart struct {
	view.Chart
	Lines []Line `json:"lines,omitempty"`
	Zones []Zone `json:"zones,omitempty"`
	Dash  []int  `json:"dash,omitempty"`  // indices of series
	Fixed bool   `json:"fixed,omitempty"` // marking a stretch of it does not change the page's range
	// Least and Most bound the scale, so that what is far beyond does not squeeze the rest; 0 for no bound.
	Least float64 `json:"least,omitempty"`
	Most  float64 `json:"most,omitempty"`
}

// A Box is a rectangle of the picture that stands in for a chart until the script takes over.
type Box struct{ X, W, Class string }

// boxes are the zones in a box of 600 by 100.
func (c Chart) boxes() []Box {
	if len(c.Y) == 0 || len(c.Y[0]) < 2 {
		return nil
	}
	span := float64(int64(len(c.Y[0])-1) * c.Step)
	var out []Box
	for _, z := range c.Zones {
		from := min(max(float64(z.From-c.T0)/span, 0), 1) * 600
		to := min(max(float64(z.To-c.T0)/span, 0), 1) * 600
		if to > from {
			out = append(out, Box{X: view.Decimal(from), W: view.Decimal(max(to-from, 1)), Class: "z-" + z.Color})
		}
	}
	return out
}

// A Rule is a line of the table of burn-rate alerts.
type Rule struct {
	Key, Class, Icon, State            string
	Severity, Threshold, ThresholdNote string
	Short, ShortWindow                 string
	Long, LongWindow                   string
	ShortBad, LongBad                  bool
	Gone, Before                       string // budget gone in; budget spent before it speaks
	Alerts                             string
	Reason                             string // shown when the state needs one
}

// Rules is the table of burn-rate alerts.
type Rules struct {
	Sub, Topic string
	Rows       []Rule
	Period     string
}

// A Spender is a value of a dimension with its share of the bad events.
type Spender struct {
	Value, Href      string
	Share            float64
	ShareText, Note  string
	GoodText, Class  string
	Title            string
	Method, RouteTag string
}

// Spenders says who spent the budget.
type Spenders struct {
	Sub        string
	Dimensions []view.Choice
	Spans      []view.Choice // of time
	Rows       []Spender
	Rest       string
	Error      *view.Failure
	Empty      string
}

// An Example is a bad event.
type Example struct {
	Time, Stamp, Title, Href string
	Operation, Status, Class string
	Kind, Duration, Where    string
	Slow                     bool
}

// Examples are bad events that lead to their traces.
type Examples struct {
	Sub   string
	Rows  []Example
	More  view.Choice
	Error *view.Failure
	Empty string
}

// A Correction is a stretch of time that does not count.
type Correction struct {
	ID, From, To, Long string
	Reason, Author, At string
	Withdrawn          bool
}

// Corrections is the list of corrections with the form for another one.
type Corrections struct {
	Rows       []Correction
	From, To   string // that the form begins with
	Reason     string
	Author     string
	Zone       string
	Problem    string
	Error      *view.Failure
	Action     string
	Withdrawal string
}

// A Revision is one state of a definition.
type Revision struct {
	Number, At, Author, Source, Href string
	Current, Deleted                 bool
}

// A DiffLine is a line of the difference between two revisions. Op is +, − or a space.
type DiffLine struct{ Op, Class, Text string }

// Definition is the definition of an SLO with its history.
type Definition struct {
	Text      string
	Formats   []view.Choice
	Revisions []Revision
	Diff      []DiffLine
	DiffTitle string
	Source    string
	Delete    string // where the form that deletes goes
	Revision  string
	Author    string
	Error     *view.Failure
	Problems  []Problem
}

// Detail is the page of one objective.
type Detail struct {
	Title, Promise, Service, ServiceHref string
	Owner, Runbook, RunbookText          string
	Labels                               []string
	Health                               view.Health
	Objectives, Groups                   []view.Choice
	Tabs                                 []view.Choice
	Tab                                  string
	Headline                             *view.Headline
	Notices                              []string
	Saved                                bool // a moment ago, and not evaluated yet
	Progress                             *Progress
	Edit, Report, YAML                   string
	Topic, BadgeTopic, HeadlineTopic     string
	Figures                              []Figure
	Budget, Burn                         Chart
	Rules                                Rules
	Spenders                             Spenders
	Examples                             Examples
	Forecast                             view.List
	Events                               view.Plain
	GroupTable                           view.Plain
	Corrections                          Corrections
	Definition                           Definition
}

// Progress is how far the past is counted.
type Progress struct {
	Share   float64
	Text    string
	Problem string
}

// A Field is a field of the form.
type Field struct {
	Name, Label, Value, Hint string
	Type, Placeholder        string
	Problem                  string
	Options                  []Option
	Suggestions              []string
	Only                     string // kinds of indicator that have it, separated by spaces; empty for all
	Rows                     int    // of a text area
	Half                     bool
	Checked                  bool
}

// An Option is a choice of a field.
type Option struct {
	Value, Label string
	Chosen       bool
}

// Form is the page where an SLO is written.
type Form struct {
	Title, Meta    string
	Action, Cancel string
	Submit         string
	Hidden         []view.Param
	Kind           string // of the indicator
	Fields         []Field
	More           []Field // behind a fold
	MoreOpen       bool
	Raw            bool // a definition is written as text
	Problems       []Problem
	Conflict       string
	Preview        Preview
	Source         string // what to know about where the definition comes from
}

// Preview is what would have been, had there been the SLO.
type Preview struct {
	Title     string
	Problems  []Problem
	Error     *view.Failure
	Empty     string
	Facts     []Figure
	Note      string // how exact the numbers are
	Hints     []Hint
	Budget    Chart
	Burn      Chart
	Alerts    view.Plain
	Incidents view.Plain
	YAML      string
	Promise   string
	Took      string
}

// A Hint is text for a field that is computed with the preview.
type Hint struct {
	Field, Text string
	Bad         bool
}

// Report is the monthly report of an SLO.
type Report struct {
	Title, Month, Promise string
	Earlier, Later, CSV   string
	Back                  string
	Objectives            []ReportObjective
	Corrections           []Correction
	Error                 *view.Failure
	Printed               string
}

// ReportObjective is one promise in a report.
type ReportObjective struct {
	Name    string
	Verdict view.Health
	Figures []Figure
	Days    view.Plain
	Alerts  view.Plain
}
