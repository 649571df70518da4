package form

import "loadline/web/slos/page"

// options are the choices of a field, with the one that is none of them when it has such a value.
func options(chosen string, list []Choice) []page.Option {
	var out []page.Option
	known := false
	for _, c := range list {
		out = append(out, page.Option{Value: c.Value, Label: c.Label, Chosen: c.Value == chosen})
		known = known || c.Value == chosen
	}
	if !known && chosen != "" {
		out = append(out, page.Option{Value: chosen, Label: chosen, Chosen: true})
	}
	return out
}

// The kinds of indicators, together, as fields name those that they are for.
const (
	ofSpans = Availability + " " + Latency + " " + Speed
	ofTime  = Latency + " " + Speed
)

// IndicatorFields say what is counted.
func (v Values) IndicatorFields(services []string) []page.Field {
	return []page.Field{
		{Name: "service", Label: "Service", Value: v.Service, Suggestions: services, Placeholder: "checkout-api"},
		{Name: "operations", Label: "Endpoints", Value: v.Operations, Rows: 2, Placeholder: "POST /v1/checkout", Hint: "Leave empty for all. One a line; * stands for any text.", Only: ofSpans},
		{Name: "kind", Label: "A request is good when", Options: options(v.Kind, []Choice{
			{Value: Latency, Label: "it is fast enough and does not fail"},
			{Value: Availability, Label: "it does not fail"},
			{Value: Speed, Label: "it is fast enough, failed or not"},
			{Value: Ratio, Label: "a PromQL expression counts it so"},
			{Value: Threshold, Label: "a metric stays within a bound (queue age, freshness)"},
		})},
		{Name: "slower", Label: "Fast enough is at most", Value: v.Slower, Hint: "a duration such as 400ms", Only: ofTime, Half: true},
		{Name: "codes", Label: "Fails with these codes too", Value: v.Codes, Placeholder: "429, 408", Hint: "5xx and errors always count", Only: Availability + " " + Latency, Half: true},
		{Name: "total", Label: "All events", Value: v.Total, Rows: 2, Placeholder: "sum(increase(http_requests_total[$window]))", Only: Ratio},
		{Name: "bad", Label: "Bad events", Value: v.Bad, Rows: 2, Placeholder: `sum(increase(http_requests_total{code=~"5.."}[$window]))`, Hint: "or leave it empty and count good ones", Only: Ratio},
		{Name: "good", Label: "Good events", Value: v.Good, Rows: 2, Only: Ratio},
		{Name: "query", Label: "Expression", Value: v.Query, Rows: 2, Placeholder: "max by (queue) (queue_oldest_message_age_seconds)", Hint: "one event a minute for each series", Only: Threshold},
		{Name: "op", Label: "Good while it is", Options: options(v.Op, []Choice{{Value: "<", Label: "below"}, {Value: "<=", Label: "at most"}, {Value: ">", Label: "above"}, {Value: ">=", Label: "at least"}}), Only: Threshold, Half: true},
		{Name: "limit", Label: "Bound", Value: v.Limit, Placeholder: "30", Only: Threshold, Half: true},
	}
}

// PromiseFields say how much is promised and who is told.
func (v Values) PromiseFields() []page.Field {
	return []page.Field{
		{Name: "objective", Label: "Objective", Value: v.Objective, Half: true},
		{Name: "window", Label: "Window", Options: options(v.Window, Windows()), Half: true},
		{Name: "zone", Label: "Time zone of the calendar", Value: v.Zone, Placeholder: "Europe/Berlin", Only: "week month quarter"},
		{Name: "alert", Label: "Alert", Options: options(v.Alert, Alerts())},
		{Name: "tiers", Label: "Rules", Value: v.Tiers, Rows: 4, Placeholder: "page 14.4x over 1h and 5m", Only: "custom", Hint: "one a line: severity, burn rate, long and short window"},
	}
}

// MoreFields are those that few need. An SLO that there is keeps its name.
func (v Values) MoreFields(named bool) []page.Field {
	out := []page.Field{
		{Name: "guard", Label: "Hold rules back until the bad events cannot be chance", Type: "check", Checked: v.Guard, Hint: "so that one error at night wakes nobody"},
		{Name: "where", Label: "Only requests where", Value: v.Where, Placeholder: `http.route = /v1/cart AND customer.tier = gold`, Hint: "conditions on attributes with =, !=, =~ and !~", Only: ofSpans},
		{Name: "environment", Label: "Environment", Value: v.Env, Placeholder: "all", Only: ofSpans, Half: true},
		{Name: "group_by", Label: "A budget for each", Value: v.GroupBy, Placeholder: "operation, version, tenant.id", Only: ofSpans, Half: true},
		{Name: "title", Label: "Title", Value: v.Title, Placeholder: "Checkout availability"},
	}
	if !named {
		out = append(out, page.Field{Name: "name", Label: "Name", Value: v.Name, Hint: "letters, digits and dashes; made from the rest when empty"})
	}
	return append(out,
		page.Field{Name: "owner", Label: "Owner", Value: v.Owner, Placeholder: "team checkout", Half: true},
		page.Field{Name: "notify", Label: "Notify", Value: v.Notify, Placeholder: "oncall", Hint: "", Half: true},
		page.Field{Name: "runbook", Label: "Runbook", Value: v.Runbook, Placeholder: "https://wiki.example.com/checkout"},
		page.Field{Name: "labels", Label: "Labels", Value: v.Labels, Placeholder: "tier=1, product=shop"},
		page.Field{Name: "description", Label: "Description", Value: v.Description, Rows: 2},
	)
}
