// Package payload reads the bodies of export requests within limits: it decompresses them, counts what they are then,
// and keeps what all of them hold together within a bound, whatever their senders claim or send.
package payload

import (
	"errors"
	"fmt"
	"io"
	"math/bits"
	"sync"
	"sync/atomic"
)

// ErrBusy means that the bytes of the requests at work reached the limit of a Memory.
var ErrBusy = errors.New("too many bytes of requests at once")

// TooLargeError means that a body is larger than one may be once it is decompressed.
type TooLargeError struct{ Limit int }

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("request is larger than %d bytes uncompressed: send smaller batches, or raise the limit", e.Limit)
}

// Memory hands out buffers and counts them against a limit, so that any number of senders cannot make the receivers
// hold more than that. It never waits: a sender that is told to come back later is better off than one that is left
// hanging, and two requests that each wait for the other's half cannot happen.
type Memory struct {
	limit   int64
	used    atomic.Int64
	classes [maxClass - minClass + 1]sync.Pool // of *Buffer with a capacity of 1 << (minClass + index)
}

// NewMemory returns a memory of limit bytes.
func NewMemory(limit int64) *Memory { return &Memory{limit: limit} }

// Used returns how many bytes are handed out.
func (m *Memory) Used() int64 { return m.used.Load() }

// Buffers are pooled in powers of two, from 4 KiB to 4 MiB. Larger ones are rare and left to the garbage collector.
const (
	minClass = 12
	maxClass = 22
)

// Buffer is a growing piece of memory. Its owner calls Free once, after the last use of its bytes.
type Buffer struct {
	Bytes    []byte
	reserved int
	memory   *Memory
}

// Get returns an empty buffer with room for size bytes.
func (m *Memory) Get(size int) (*Buffer, error) {
	class := max(bits.Len(uint(max(size, 1)-1)), minClass)
	if class > maxClass {
		if !m.reserve(size) {
			return nil, ErrBusy
		}
		return &Buffer{Bytes: make([]byte, 0, size), reserved: size, memory: m}, nil
	}
	if !m.reserve(1 << class) {
		return nil, ErrBusy
	}
	if b, ok := m.classes[class-minClass].Get().(*Buffer); ok {
		return b, nil
	}
	return &Buffer{Bytes: make([]byte, 0, 1<<class), reserved: 1 << class, memory: m}, nil
}

func (m *Memory) reserve(size int) bool {
	if m.used.Add(int64(size)) > m.limit {
		m.used.Add(-int64(size))
		return false
	}
	return true
}

// Free gives the buffer back. A nil buffer is fine.
func (b *Buffer) Free() {
	if b == nil {
		return
	}
	b.memory.used.Add(-int64(b.reserved))
	class := bits.Len(uint(b.reserved)) - 1
	if class <= maxClass && b.reserved == 1<<class && cap(b.Bytes) == b.reserved {
		b.Bytes = b.Bytes[:0]
		b.memory.classes[class-minClass].Put(b)
	}
}

// grow returns a buffer of at least twice the room, at most limit bytes, with the same content, and frees b.
func (b *Buffer) grow(limit int) (*Buffer, error) {
	bigger, err := b.memory.Get(min(2*cap(b.Bytes), limit))
	if err != nil {
		return b, err
	}
	bigger.Bytes = append(bigger.Bytes, b.Bytes...)
	b.Free()
	return bigger, nil
}

// ReadAll reads r to its end, and at most limit bytes. It starts with room for the expected size, but not with much:
// the sender may have made it up, and what is held should follow what has arrived. The caller frees the buffer, which
// is nil with an error. Errors are ErrBusy, *TooLargeError and those of r.
func (m *Memory) ReadAll(r io.Reader, expected, limit int) (*Buffer, error) {
	b, err := m.Get(min(expected, limit, maxFirstRead))
	if err != nil {
		return nil, err
	}
	for {
		room := b.Bytes[len(b.Bytes):min(cap(b.Bytes), limit)]
		if len(room) == 0 && len(b.Bytes) < limit {
			if b, err = b.grow(limit); err != nil {
				break
			}
			continue
		}
		if len(room) == 0 { // at the limit: one more byte is one too many
			room = make([]byte, 1)
		}
		var n int
		n, err = r.Read(room)
		if n > 0 && len(b.Bytes) == limit {
			err = &TooLargeError{Limit: limit}
			break
		}
		b.Bytes = b.Bytes[:len(b.Bytes)+n]
		if err != nil {
			break
		}
	}
	if errors.Is(err, io.EOF) {
		return b, nil
	}
	b.Free()
	return nil, err
}

// maxFirstRead is the most that is reserved for a body before any of it has arrived.
const maxFirstRead = 1 << 20
