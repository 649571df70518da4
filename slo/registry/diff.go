package registry

// Line is a line of a difference of two texts.
type Line struct {
	Op   string `json:"op"` // " ", "-" or "+"
	Text string `json:"text"`
}

// Diff returns the lines of two texts, those that only one has marked.
func Diff(before, after string) []Line { return nil }
