package sender

import (
	"testing"
	"time"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 20, 18, 0, 0, 0, time.UTC)
	f := func(value string, want time.Duration) {
		t.Helper()
		if got := retryAfter(value, now); got != want {
			t.Errorf("retryAfter(%q) = %v, want %v", value, got, want)
		}
	}
	f("", 0)
	f("7", 7*time.Second)
	f("-7", 0)
	f("soon", 0)
	f("Fri, 20 Nov 2026 18:00:30 GMT", 30*time.Second)
	f("Fri, 20 Nov 2026 17:00:00 GMT", 0)
}

func TestRejectedItems(t *testing.T) {
	f := func(reply []byte, want int) {
		t.Helper()
		if got := rejectedItems(reply); got != want {
			t.Errorf("rejectedItems(%x) = %d, want %d", reply, got, want)
		}
	}
	f(nil, 0)
	f([]byte{0x0a, 0x02, 0x08, 0x05}, 5)
	f([]byte{0x0a, 0x06, 0x12, 0x02, 'h', 'i', 0x08, 0x05}, 5)
	f([]byte{0x0a, 0x04, 0x12, 0x02, 'h', 'i'}, 0)
	f([]byte{0xff}, 0)
	f([]byte{0x0a, 0x09, 0x08}, 0)
	f([]byte{0x0a, 0x01, 0xff}, 0)
}
