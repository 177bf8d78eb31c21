package pollhttp

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"

	"github.com/kleeedolinux/socket.go/socket/internal/poll"
)

// recordsType is the media type of a body of records. The records of a client
// are taken with any type: they need a token, which no form can send.
const recordsType = "text/plain; charset=utf-8"

// readBody returns the body of a POST, decompressed. The limit counts the bytes
// on the wire and the decompressed ones alike.
func (e *Engine) readBody(w http.ResponseWriter, r *http.Request, m *memory) ([]byte, *Refusal) {
	limit := e.config.Limits.Body
	wire := io.Reader(r.Body)
	if limit >= 0 {
		if r.ContentLength > int64(limit) {
			w.Header().Set("Connection", "close") // the body stays unread
			return nil, tooLarge(limit)
		}
		wire = http.MaxBytesReader(w, r.Body, int64(limit))
	}
	source := wire
	switch r.Header.Get("Content-Encoding") {
	case "", "identity":
	case "gzip":
		if !m.grow(r.Context(), unzipCost) {
			w.Header().Set("Connection", "close")
			return nil, noMemory
		}
		defer m.less(unzipCost)
		z, err := gzip.NewReader(wire)
		if err != nil {
			return nil, unreadable(err, limit)
		}
		source = z
		if limit >= 0 {
			source = io.LimitReader(z, int64(limit)+1)
		}
	default:
		return nil, &Refusal{
			Status: http.StatusUnsupportedMediaType,
			Reason: "the only content encoding is gzip",
			Header: http.Header{"Accept-Encoding": {"gzip"}},
		}
	}
	body, err := readAll(r.Context(), source, m)
	if err == errNoMemory {
		w.Header().Set("Connection", "close")
		return nil, noMemory
	}
	if err != nil {
		return nil, unreadable(err, limit)
	}
	if limit >= 0 && len(body) > limit {
		w.Header().Set("Connection", "close")
		return nil, tooLarge(limit)
	}
	return body, nil
}

func tooLarge(limit int) *Refusal {
	return &Refusal{
		Status: http.StatusRequestEntityTooLarge,
		Reason: "the body exceeds the limit of " + strconv.Itoa(limit) + " bytes",
	}
}

// unreadable returns the refusal of a body that could not be read.
func unreadable(err error, limit int) *Refusal {
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return tooLarge(limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &Refusal{Status: http.StatusRequestTimeout, Reason: "the body did not come in time"}
	}
	return badRequest("the body could not be read or is not valid gzip")
}

// writeRecords answers a poll with messages. One answer of a session is always
// written, since the queue empties with it; further ones at the same time, to
// polls that were superseded but are not read, if there is memory for them.
func (e *Engine) writeRecords(w http.ResponseWriter, r *http.Request, s *Session, first uint64, messages []Message) {
	size := poll.BodyLen(messages)
	m := memory{engine: e}
	defer m.free()
	if s.answering.Add(1) == 1 {
		m.must(size)
	} else if !m.tryGrow(size) {
		s.answering.Add(-1)
		noMemory.write(w)
		return
	}
	defer s.answering.Add(-1)
	body := poll.AppendBody(make([]byte, 0, size), messages)
	h := w.Header()
	h.Set(seqHeader, strconv.FormatUint(first, 10))
	h.Set("Content-Type", recordsType)
	if e.zip != nil {
		h.Add("Vary", "Accept-Encoding")
		if len(body) >= minZip && acceptsGzip(r.Header["Accept-Encoding"]) {
			body = e.zip.compress(body)
			h.Set("Content-Encoding", "gzip")
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	w.Write(body) // not acknowledged if this fails, so it is sent again
}
