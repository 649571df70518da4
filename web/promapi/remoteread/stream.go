package remoteread

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"

	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
)

// stream answers with messages of chunks, one series after the other. An error after the first message breaks the
// connection: ending normally would make the answer seem complete.
func (h *Handler) stream(w http.ResponseWriter, r *http.Request, queries []*prompb.Query) {
	w.Header().Set("Content-Type", "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse")
	f := &frames{w: w, table: crc32.MakeTable(crc32.Castagnoli)}
	for i, query := range queries {
		err := h.each(r.Context(), query, func(set storage.SeriesSet) error { return f.series(int64(i), set) })
		if err == nil {
			continue
		}
		if f.begun {
			panic(http.ErrAbortHandler)
		}
		refuse(w, err)
		return
	}
	_ = http.NewResponseController(w).Flush() // not every writer can
}

// frames writes messages, each after its length and its checksum.
type frames struct {
	w     io.Writer
	table *crc32.Table
	begun bool
	buf   []byte
}

func (f *frames) series(query int64, set storage.SeriesSet) error {
	var it chunks.Iterator
	for set.Next() {
		s := set.At()
		it = storage.NewSeriesToChunkEncoder(startless{s}).Iterator(it)
		if err := f.chunks(query, prompb.FromLabels(s.Labels(), nil), it); err != nil {
			return err
		}
	}
	return set.Err()
}

// chunks writes the chunks of one series, in as many messages as it takes.
func (f *frames) chunks(query int64, ls []prompb.Label, it chunks.Iterator) error {
	room := maxFrame
	for _, l := range ls {
		room -= l.Size()
	}
	var gathered []prompb.Chunk
	left := room
	for more := it.Next(); more; {
		c := it.At()
		gathered = append(gathered, prompb.Chunk{MinTimeMs: c.MinTime, MaxTimeMs: c.MaxTime, Type: prompb.Chunk_Encoding(c.Chunk.Encoding()), Data: c.Chunk.Bytes()})
		left -= gathered[len(gathered)-1].Size()
		if more = it.Next(); more && left > 0 {
			continue
		}
		message := prompb.ChunkedReadResponse{ChunkedSeries: []*prompb.ChunkedSeries{{Labels: ls, Chunks: gathered}}, QueryIndex: query}
		if err := f.write(&message); err != nil {
			return err
		}
		gathered, left = gathered[:0], room
	}
	return it.Err()
}

func (f *frames) write(message *prompb.ChunkedReadResponse) error {
	raw, err := message.Marshal()
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	f.buf = binary.AppendUvarint(f.buf[:0], uint64(len(raw)))
	f.buf = binary.BigEndian.AppendUint32(f.buf, crc32.Checksum(raw, f.table))
	f.buf = append(f.buf, raw...)
	f.begun = true
	if _, err := f.w.Write(f.buf); err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	return nil
}

// startless is a series whose samples have no start timestamps. With them chunks would be of encodings that few clients
// know, and the answer as samples has none either.
type startless struct{ storage.Series }

// Iterator implements storage.Series.
func (s startless) Iterator(it chunkenc.Iterator) chunkenc.Iterator {
	if inner, ok := it.(startlessIterator); ok {
		it = inner.Iterator
	}
	return startlessIterator{s.Series.Iterator(it)}
}

type startlessIterator struct{ chunkenc.Iterator }

// AtST implements chunkenc.Iterator.
func (startlessIterator) AtST() int64 { return 0 }
