package sql

import "testing"

func TestBinary(t *testing.T) {
	value := "\x02ab" + "\x01\x00\x00\x00\x00\x00\x00\x00" + "\xff\xff" + "\x00\x00\x00\x00\x00\x00\xf8\x3f"
	b := NewBinary(value)
	if text, n, i, f := b.Text(), b.Uint64(), b.Int16(), b.Float64(); text != "ab" || n != 1 || i != -1 || f != 1.5 || b.Err() != nil {
		t.Errorf("%q, %d, %d, %v, %v", text, n, i, f, b.Err())
	}
	if b.Text() != "" || b.Err() == nil {
		t.Error("the end is no error")
	}
}

// FuzzBinary reads what may come from a server that is not ours: nothing is read beyond the end, and no size is more
// than what is left.
func FuzzBinary(f *testing.F) {
	f.Add("\x02ab\x01", 1)
	f.Add("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 8)
	f.Fuzz(func(t *testing.T, value string, width int) {
		width = min(max(width, 1), 100)
		b := NewBinary(value)
		if n := b.Size(width); n*width > len(value) {
			t.Errorf("%d items of %d bytes in %d", n, width, len(value))
		}
		for b.Err() == nil {
			b.Text()
		}
	})
}
