package tally

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Node names the batches of one directory's log. A number is never given twice, also not after the log has been empty:
// those who follow the journal leave out what is not above the last number that they have seen.
type Node struct {
	ID     uint64 // above 1, drawn once for a directory
	starts uint32 // of processes, this one included
	given  uint32
}

// startsPerNode bounds the starts under one id.
const startsPerNode = 1 << 31

// OpenNode reads the node of a directory, which one process at a time may use, or draws a new one, and counts the start.
func OpenNode(dir string) (*Node, error) {
	path := filepath.Join(dir, "node")
	n := &Node{}
	text, err := os.ReadFile(path)
	if err == nil {
		_, err = fmt.Sscanf(string(text), "%016x %d\n", &n.ID, &n.starts)
	}
	if err != nil || n.ID <= 1 || n.starts >= startsPerNode {
		var id [8]byte
		_, _ = rand.Read(id[:]) // never fails, by its contract
		*n = Node{ID: binary.BigEndian.Uint64(id[:]) | 1<<32}
	}
	n.starts++
	if err := write(dir, path, fmt.Appendf(nil, "%016x %d\n", n.ID, n.starts)); err != nil {
		return nil, fmt.Errorf("count a start in %q: %w", path, err)
	}
	return n, nil
}

// Next is the number of the next batch.
func (n *Node) Next() uint64 {
	n.given++
	return uint64(n.starts)<<32 | uint64(n.given)
}

// write replaces a file so that it has the old or the new content, whatever happens.
func write(dir, path string, text []byte) error {
	temporary := path + ".tmp"
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
