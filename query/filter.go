package query

// ParseFilter reads the text form of matchers: conditions joined by AND (or "&&" or spaces), such as
//
//	http.route = "/v1/checkout" AND duration > 400ms AND user.id exists
//
// Values with spaces or quotes stand in double quotes. FormatFilter writes what ParseFilter reads.
func ParseFilter(text string) ([]Matcher, error) {
	return nil, errPending
}

// FormatFilter writes matchers as text.
func FormatFilter(matchers []Matcher) string {
	return ""
}
