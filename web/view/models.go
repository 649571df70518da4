package view

// Health is the state of a service in a word.
type Health struct {
	State string // ok, warn, crit, idle
	Label string
	Why   string // the reason, for the title
}

// A KPI is one key figure.
type KPI struct {
	ID          string // under which it is pushed
	Label       string
	Value, Unit string
	Delta       string
	DeltaClass  string // good, bad or ""
	Href        string
	Color       string // class of the sparkline
	Spark       string
}

// A Headline is a sentence about what is wrong.
type Headline struct {
	Subject string // the service that it is about
	State   string // crit or warn
	Strong  string
	Rest    string
	Second  string
	Tag     string // a version or statement within the second line
	Third   string // after the tag
	Actions []Choice
}

// A ServiceRow is a line of the services table.
type ServiceRow struct {
	Name, Language, Href string
	Health               Health
	Rate, Errors         string
	P50, P95, P99        string
	ErrorsBad, P99Bad    bool
	RateSpark, P99Spark  string
	Deploy, DeployTitle  string
	Endpoints, Instances string
	Share                float64 // of all requests, in percent
	ShareText            string
	Note                 string // why the numbers are unusual
}

// A Table is what all tables that can be sorted have in common.
type Table struct {
	Columns []Column
	Error   *Failure
	Empty   Empty
	Topic   string
}

// A Column is the head of a column of a table.
type Column struct {
	Label   string
	Href    string // sorts by it
	Sorted  string // ascending, descending or ""
	Numeric bool
}

// An Empty says why there is nothing and what to do about it.
type Empty struct {
	Text   string
	Action Choice
}

// Services is the services table.
type Services struct {
	Table
	Rows []ServiceRow
	Wide bool // with the columns of the services page
	Sub  string
}

// An EndpointRow is a line of an endpoints table.
type EndpointRow struct {
	Key, Service          string
	Method, Route, Href   string
	Impact                float64 // percent
	ImpactText            string
	Rate, Errors          string
	P50, P95, P99, Change string
	ErrorsBad, P99Bad     bool
	ChangeClass           string
	SlowHref              string
}

// Endpoints is an endpoints table.
type Endpoints struct {
	Table
	Rows        []EndpointRow
	Title, Sub  string
	WithService bool
	More        Choice
}

// A DependencyRow is one thing that a service calls or is called by.
type DependencyRow struct {
	Name, Type, Icon, Href string
	Share                  float64 // of the time of all, percent
	ShareText              string
	Rate, Errors, P50, P95 string
	PerRequest             string
	ErrorsBad              bool
}

// Dependencies are what a service calls or is called by.
type Dependencies struct {
	Table
	Title, Sub string
	Rows       []DependencyRow
	Short      bool
	More       Choice
}

// An Item is a line of a short list.
type Item struct {
	State, Text, Sub, Right, Href string
	Title                         string
}

// A List is a card with a short list.
type List struct {
	Title, Sub string
	Items      []Item
	Error      *Failure
	Empty      string
	More       Choice
}

// Overview is the first page.
type Overview struct {
	Meta      []string
	Headline  *Headline
	KPIs      []KPI
	KPIError  *Failure
	Latency   Chart
	Rates     Chart
	Services  Services
	Endpoints Endpoints
	Slow      List
	Deploys   List
}

// Service is the page of one service.
type Service struct {
	Name     string
	Language string
	Health   Health
	Meta     []string
	Tabs     []Choice
	Tab      string
	Notice   string // about unusual telemetry
	Missing  *Empty // the service has no data in the range
	TracesAt string

	KPIs         []KPI
	Latency      Chart
	Rates        Chart
	Errors       Chart
	Heat         Heatmap
	Endpoints    Endpoints
	Calls        Dependencies
	Callers      Dependencies
	Instances    Plain
	Deployments  Plain
	ErrorGroups  []Facet
	ErrorsFailed *Failure
	Failed       Traces
	Slow         List
}

// Plain is a table of text.
type Plain struct {
	Title, Sub string
	Heads      []Column
	Rows       [][]Cell
	Error      *Failure
	Empty      string
}

// A Cell is text in a table.
type Cell struct {
	Text, Title, Href string
	Mono, Dim         bool
}

// A Chip is one condition of a search.
type Chip struct {
	Key, Op, Value string
	Without        string // the address without it
}

// A Facet is a division of what matches.
type Facet struct {
	Title  string
	Values []FacetValue
}

// A FacetValue is a value of a facet, which is a link that adds or removes it from the search.
type FacetValue struct {
	Value, Count, Href string
	Share              float64
	On                 bool
}

// Traces is a list of traces with its search.
type Traces struct {
	Meta      []string
	Chips     []Chip
	Query     string // as text
	Scope     []Choice
	Facets    []Facet
	FacetsErr *Failure
	Heat      *Heatmap
	Rows      []TraceRow
	Legend    []Swatch
	More      string // address of the next page
	MoreText  string
	Error     *Failure
	Problem   string // what is wrong with the search that was typed
	Empty     Empty
	Hints     []Choice // ways to match more
	Tail      Choice
}

// A TraceRow is a line of a list of traces.
type TraceRow struct {
	ID, Href, Time, Title      string
	Service, Method, Operation string
	Status, StatusClass        string
	Duration                   string
	Slow                       bool
	Mix                        []MixPart
	MixText                    string
	Spans, Errors, Version     string
	Match                      string // the matching span when it is not the root
	Stamp                      string // RFC 3339
}

// A MixPart is a service's part of a bar of 100.
type MixPart struct {
	Color int
	X, W  string
}

// A Swatch names a colour.
type Swatch struct {
	Color int
	Label string
}

// Trace is one trace.
type Trace struct {
	ID, Title           string
	Status, StatusClass string
	Meta                []string
	Errors              int
	Started             string
	Stamp               string
	Views               []Choice
	View                string
	Verdict             *Headline
	Notices             []string
	Axis                []Tick
	Rows                []SpanRow
	Big                 string // address of the columns when there are too many rows for HTML
	Count               int    // rows in Big
	Shares              []ServiceShare
	Detail              *SpanDetail
	DetailAt            string // address of a fragment with ID to be filled in
	Table               []OperationRow
	Logs                []LogRow
	LogsError           *Failure
	JSON                string
	CriticalProblem     string
}

// A ServiceShare is a service's part of a trace.
type ServiceShare struct {
	Name, Self, Critical, Spans string
	Color                       int
	Share                       float64
	Text                        string
}

// A SpanRow is a line of the waterfall.
type SpanRow struct {
	ID          string // of the span; of the first span of a group
	Href        string
	Depth       int
	Parent      int // index of the row above that it hangs on, -1
	Color       int
	Service, Op string
	Duration    string
	X, W        string // percentages
	LabelX      string
	LabelEnd    bool
	LabelDx     string
	LabelIn     bool // inside of the bar
	Critical    []Bit
	Error       bool
	Group       int  // how many spans the row stands for, when it is a folded group
	Member      bool // of a group, hidden until it is unfolded
	Kids        bool
	Missing     bool
	Skew        string
	Selected    bool
	Label       string // for screen readers
}

// A Bit is a stretch of a bar, in percentages.
type Bit struct{ X, W string }

// SpanDetail is the panel beside the waterfall.
type SpanDetail struct {
	ID, Title, Service      string
	Group                   int
	Facts                   [][2]string
	Status, StatusClass     string
	Message                 string
	Groups                  []AttributeGroup
	Events                  []SpanEvent
	Links                   []SpanLink
	Logs                    []LogRow
	Similar, LogsHref, Self string
	Error                   *Failure
}

// An AttributeGroup is attributes of one kind.
type AttributeGroup struct {
	Title  string
	Values []Attribute
}

// An Attribute is a key and value with an address that searches for it.
type Attribute struct {
	Key, Value, Rest string // Rest is what follows a long value's beginning
	Href             string
}

// A SpanEvent is an event of a span.
type SpanEvent struct {
	At, Name string
	Values   []Attribute
	Stack    string
	Error    bool
}

// A SpanLink is a link of a span.
type SpanLink struct {
	Text, Href string
	Values     []Attribute
}

// A LogRow is one log record.
type LogRow struct {
	Time, Severity, Class string
	Service, Body         string
	SpanHref              string
}

// An OperationRow sums up the spans of one operation of a trace.
type OperationRow struct {
	Service, Op          string
	Color                int
	Count                string
	Total, Self, Longest string
	Share                float64
	ShareText            string
	Errors               string
}

// Welcome is the page for who has not sent anything yet.
type Welcome struct {
	Languages []Choice
	Lang      string
	Snippet   string // HTML
	Note      string
	Arrived   string // the first service, "" while waiting
	Listening string
	Checks    []Item
	Topic     string
}

// Settings is the state of Loadline itself.
type Settings struct {
	Groups []SettingsGroup
	Tables Plain
	Themes []Choice
	Keys   []Choice
}

// A SettingsGroup is a card of facts.
type SettingsGroup struct {
	Title string
	Items []Item
}

// A Message is a page that only says something.
type Message struct {
	Title, Text string
	Tips        []string
	Actions     []Choice
	Retry       int // seconds after which the page asks again, 0 for never
}

// Explorer is the page of metrics.
type Explorer struct {
	Meta      []string
	Expr      string
	Problem   *ExprProblem // nil when the expression can be read
	Views     []Choice
	Chart     *Chart // one of these has the result
	Heat      *Heatmap
	Table     *Plain
	More      Choice // leads to the series that are not shown
	Warnings  []string
	Error     *Failure
	Functions []PromFunction
	Browser   MetricBrowser
}

// ExprProblem is what is wrong with an expression, and where.
type ExprProblem struct {
	Text                 string
	Before, Wrong, After string // the expression in three parts
}

// A PromFunction is a function of PromQL as completion offers it.
type PromFunction struct {
	Name      string `json:"n"`
	Signature string `json:"s"`
	Note      string `json:"x,omitempty"`
}

// MetricBrowser is the list of metrics.
type MetricBrowser struct {
	Filter   string
	Total    int
	Prefixes []FacetValue
	Metrics  []MetricRow
	More     string // says that there are more
	One      *Plain // the labels of the metric that the filter names
	Error    *Failure
}

// A MetricRow is a line of the list of metrics.
type MetricRow struct {
	Name, Type, Unit, Help, OTelName string
	Href, Detail                     string
}
