package index

import "testing"

// FuzzRow reads what a server that is not ours may send.
func FuzzRow(f *testing.F) {
	f.Add([]byte("\x01m\x01s\x01\x00\x00\x00\x00\x00\x00\x00\x01\x01\x00\x00\x00\x02\x00\x00\x00\x00\x01\x01a\x01b"))
	f.Add([]byte("\x01m\x01s\x01\x00\x00\x00\x00\x00\x00\x00\x04\x01\x00\x00\x00\x02\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\xf0\x3f\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := newRowReader()
		for range 2 {
			if err := r.add(string(data)); err != nil {
				return
			}
		}
		families := r.families(true)
		if len(families) != 1 || len(families[0].Entries) != 1 || len(families[0].Entries[0].Rows) != 1 || families[0].bytes <= 0 {
			t.Errorf("%+v of two equal rows", families)
		}
	})
}
