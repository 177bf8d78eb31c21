package pollhttp

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"
)

// memory is what one request holds, as its engine's owner counts it.
type memory struct {
	engine *Engine
	held   int // bytes
}

// patience is how long a request waits for memory, and pause how long between two
// looks: nobody tells when there is some.
const (
	patience = 10 * time.Second
	pause    = 100 * time.Millisecond
)

// grow counts n bytes more, as soon as there is room for them. It reports false
// when there was none for as long as patience, or until ctx ended.
func (m *memory) grow(ctx context.Context, n int) bool {
	for waited := time.Duration(0); !m.engine.config.Hold(n, false); waited += pause {
		if waited >= patience || ctx.Err() != nil {
			return false
		}
		time.Sleep(pause)
	}
	m.held += n
	return true
}

// tryGrow is grow without waiting.
func (m *memory) tryGrow(n int) bool {
	if !m.engine.config.Hold(n, false) {
		return false
	}
	m.held += n
	return true
}

// must is tryGrow for bytes that cannot be refused.
func (m *memory) must(n int) {
	m.engine.config.Hold(n, true)
	m.held += n
}

// less counts n bytes as given back.
func (m *memory) less(n int) {
	m.engine.config.Hold(-n, false)
	m.held -= n
}

// free counts all of it as given back.
func (m *memory) free() {
	if m.held > 0 {
		m.less(m.held)
	}
}

// noMemory refuses a request for which there is no memory.
var noMemory = &Refusal{
	Status: http.StatusServiceUnavailable,
	Reason: "the server is short of memory",
	Header: http.Header{"Retry-After": {"1"}},
}

var errNoMemory = errors.New("pollhttp: no memory")

// The memory of a decompressor, and that of a body which is so small that the
// connection's own costs more.
const (
	unzipCost = 48 << 10
	smallBody = 4 << 10
)

// readAll reads to the end into memory that follows what has come, never what was
// announced.
func readAll(ctx context.Context, r io.Reader, m *memory) ([]byte, error) {
	body := make([]byte, 0, 512)
	for {
		n, err := r.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if err == io.EOF {
			return body, nil
		}
		if err != nil {
			return nil, err
		}
		if len(body) < cap(body) {
			continue
		}
		size := 2 * cap(body)
		if size > smallBody && !m.grow(ctx, size-cap(body)) {
			return nil, errNoMemory
		}
		body = append(make([]byte, 0, size), body...)
	}
}

// binaries returns how many bytes of messages do not lie in the body that brought
// them.
func binaries(messages []Message) int {
	n := 0
	for i := range messages {
		if messages[i].Binary {
			n += len(messages[i].Data)
		}
	}
	return n
}
