package recent

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"os"
)

const magic = "LLSEEN\x00\x01"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Write durably puts digests into a file, but for its name: that is durable
// when the directory is synced.
func Write(path string, digests []Digest) error {
	b := make([]byte, 0, len(magic)+16*len(digests)+4)
	b = append(b, magic...)
	for _, x := range digests {
		b = binary.LittleEndian.AppendUint64(b, x.Lo)
		b = binary.LittleEndian.AppendUint64(b, x.Hi)
	}
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	temporary := path + ".tmp"
	if err := writeDurably(temporary, b); err != nil {
		_ = os.Remove(temporary)
		return err
	}
	return os.Rename(temporary, path)
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

// Read returns the digests in a file. It returns none when the file is damaged: the segment is
// finished all the same.
func Read(path string) ([]Digest, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	n := len(b) - len(magic) - 4
	if n < 0 || n%16 != 0 || !bytes.HasPrefix(b, []byte(magic)) ||
		binary.LittleEndian.Uint32(b[len(b)-4:]) != crc32.Checksum(b[:len(b)-4], castagnoli) {
		return nil, nil
	}
	digests := make([]Digest, 0, n/16)
	for b = b[len(magic) : len(b)-4]; len(b) > 0; b = b[16:] {
		digests = append(digests, Digest{Lo: binary.LittleEndian.Uint64(b), Hi: binary.LittleEndian.Uint64(b[8:])})
	}
	return digests, nil
}
