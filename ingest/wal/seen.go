package wal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"

	"loadline/ingest/wal/recent"
)

const seenMagic = "LLSEEN\x00\x01"

func seenPath(dir string, seq uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%016x.seen", seq))
}

// writeSeen durably records that segment seq is finished and what it held.
// When it fails the caller goes on without: duplicates are then recognized
// until the next restart only.
func (l *Log) writeSeen(seq uint64, digests []recent.Digest) error {
	b := make([]byte, 0, len(seenMagic)+16*len(digests)+4)
	b = append(b, seenMagic...)
	for _, x := range digests {
		b = binary.LittleEndian.AppendUint64(b, x.Lo)
		b = binary.LittleEndian.AppendUint64(b, x.Hi)
	}
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	path := seenPath(l.cfg.Dir, seq)
	temporary := path + ".tmp"
	if err := writeDurably(temporary, b); err != nil {
		_ = os.Remove(temporary)
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return err
	}
	return l.dir.Sync()
}

func writeDurably(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

// readSeen returns no digests when the file is damaged: the segment is
// finished all the same.
func readSeen(path string) ([]recent.Digest, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	n := len(b) - len(seenMagic) - 4
	if n < 0 || n%16 != 0 || !bytes.HasPrefix(b, []byte(seenMagic)) ||
		binary.LittleEndian.Uint32(b[len(b)-4:]) != crc32.Checksum(b[:len(b)-4], castagnoli) {
		return nil, nil
	}
	digests := make([]recent.Digest, 0, n/16)
	for b = b[len(seenMagic) : len(b)-4]; len(b) > 0; b = b[16:] {
		digests = append(digests, recent.Digest{Lo: binary.LittleEndian.Uint64(b), Hi: binary.LittleEndian.Uint64(b[8:])})
	}
	return digests, nil
}
