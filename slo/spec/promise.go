package spec

// Promise is an objective as a sentence for people, such as "99.9% of requests to checkout succeed within 400 ms, over
// 30 days".
func Promise(s *SLO, o *Objective) string {
	return s.Title() + " " + o.Name
}
