package wal

import (
	"encoding/binary"
	"hash/crc32"
	"time"

	"github.com/cespare/xxhash/v2"

	"loadline/ingest/wal/recent"
)

// recordHeaderSize is the size of what stands before each body: length,
// items, received-at, digest, kind, three zero bytes, CRC-32C of all that.
const recordHeaderSize = 40

// maxBody keeps a length that no receiver accepts out of the file format.
const maxBody = 1 << 30

// digestSeed makes the two halves of a digest independent of each other.
const digestSeed = 0x9e3779b97f4a7c15

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// digestOf identifies a kind and a body. The first half of the digest also
// serves as the body's checksum, so that a restart gets the duplicate index
// and the verification out of the same pass.
func digestOf(kind byte, body []byte) recent.Digest {
	var h xxhash.Digest
	h.ResetWithSeed(digestSeed + uint64(kind))
	_, _ = h.Write(body)
	return recent.Digest{Lo: checksum(kind, body), Hi: h.Sum64()}
}

// Named is the bit of the kinds of records that have a name. Their bodies begin with its length, as a uvarint, and the
// name. Two records of a kind and a name are identical, whatever follows: the first that is stored counts.
const Named byte = 0x80

// identityOf is what a record is recognised by.
func identityOf(h recordHeader, body []byte) recent.Digest {
	if h.kind&Named != 0 {
		if n, width := binary.Uvarint(body); width > 0 && n <= uint64(len(body)-width) {
			return digestOf(h.kind, body[width:width+int(n)])
		}
	}
	return h.digest
}

func checksum(kind byte, body []byte) uint64 {
	var h xxhash.Digest
	h.ResetWithSeed(uint64(kind))
	_, _ = h.Write(body)
	return h.Sum64()
}

type recordHeader struct {
	length int
	items  int
	at     time.Time
	digest recent.Digest
	kind   byte
}

func (h recordHeader) encode(b *[recordHeaderSize]byte) {
	binary.LittleEndian.PutUint32(b[0:], uint32(h.length))
	binary.LittleEndian.PutUint32(b[4:], uint32(h.items))
	binary.LittleEndian.PutUint64(b[8:], uint64(h.at.UnixNano()))
	binary.LittleEndian.PutUint64(b[16:], h.digest.Lo)
	binary.LittleEndian.PutUint64(b[24:], h.digest.Hi)
	b[32], b[33], b[34], b[35] = h.kind, 0, 0, 0
	binary.LittleEndian.PutUint32(b[36:], crc32.Checksum(b[:36], castagnoli))
}

// decodeRecordHeader reports whether b starts with an undamaged header. Forty
// zero bytes, which some file systems leave after a power cut, are not one.
func decodeRecordHeader(b []byte) (recordHeader, bool) {
	if binary.LittleEndian.Uint32(b[36:]) != crc32.Checksum(b[:36], castagnoli) {
		return recordHeader{}, false
	}
	h := recordHeader{
		length: int(binary.LittleEndian.Uint32(b[0:])),
		items:  int(binary.LittleEndian.Uint32(b[4:])),
		at:     time.Unix(0, int64(binary.LittleEndian.Uint64(b[8:]))),
		digest: recent.Digest{Lo: binary.LittleEndian.Uint64(b[16:]), Hi: binary.LittleEndian.Uint64(b[24:])},
		kind:   b[32],
	}
	return h, h.length <= maxBody
}
