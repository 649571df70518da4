package view

// A shortcut is a line of the keyboard help. The script has the same keys.
type shortcut struct {
	keys []string
	does string
}

var shortcuts = []shortcut{
	{[]string{"⌘K", "/"}, "Search or jump to"},
	{[]string{"g", "o"}, "Overview; also s services, t traces, m metrics, b SLOs"},
	{[]string{"j", "k"}, "Next and previous row"},
	{[]string{"f"}, "Add a filter"},
	{[]string{"e"}, "Metrics: edit the expression"},
	{[]string{"[", "]"}, "Half a range earlier or later"},
	{[]string{"-", "."}, "Wider range, up to now"},
	{[]string{"p"}, "Pause or resume"},
	{[]string{"d"}, "Light or dark"},
	{[]string{"c"}, "Copy a link with absolute times"},
	{[]string{"n", "N"}, "Trace: next or previous span on the critical path"},
	{[]string{"e", "E"}, "Trace: next or previous error"},
	{[]string{"←", "→"}, "Trace: fold or unfold"},
	{[]string{"?"}, "This help"},
}
