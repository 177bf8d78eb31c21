package socket

import (
	"context"
	"errors"
	"net/http"

	"github.com/kleeedolinux/socket.go/socket/internal/poll"
	"github.com/kleeedolinux/socket.go/socket/internal/pollhttp"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// newPollEngine returns the engine behind all long-polling sessions of s.
func newPollEngine(s *Server) *pollhttp.Engine {
	o := &s.opts
	c := pollhttp.Config{
		Open: func(ps *pollhttp.Session, r *http.Request) (pollhttp.Handler, error) {
			a, ref := s.authenticate(r)
			if ref != nil {
				return nil, ref
			}
			defer a.end()
			if o, ok := s.offer(r); ok {
				p, ref := s.place(r, o, a)
				if ref != nil {
					return nil, ref
				}
				ps.AnswerHeader().Set(sessionHeader, p.answer.String())
				ps.AllowExtra()
				p.attach(pollLink{ps, s})
				return pollSessionHandler{p.link, p.gen}, nil
			}
			if ref := s.admit(); ref != nil {
				return nil, ref
			}
			c := s.newConn(ps.ID(), r, a)
			s.open(c, pollLink{ps, s}, a)
			return pollHandler{c}, nil
		},
		NewID:        newID,
		Limits:       poll.Limits{Message: o.maxMessage},
		Extra:        maxHead,
		Queue:        poll.QueueLimits{Bytes: o.queueBytes, Messages: o.queueMessages},
		CloseWait:    o.closeTimeout,
		WriteTimeout: o.writeTimeout,
		Compression:  o.compression != nil,
		Hold:         s.hold,
	}
	if o.pingInterval > 0 {
		c.Wait = o.pingInterval
		if o.pingTimeout > 0 {
			c.Expiry = o.pingInterval + o.pingTimeout
		}
	}
	return pollhttp.New(c)
}

// badOrigin is why a page may not connect, as it is told.
const badOrigin = "the page's origin may not connect (WithAllowedOrigins)"

// servePolling serves one request of long polling.
func (s *Server) servePolling(w http.ResponseWriter, r *http.Request) {
	if err := s.upgrader.CheckOrigin(r); err != nil {
		s.logHandshake(err)
		refuse(w, &pollhttp.Refusal{Status: http.StatusForbidden, Reason: badOrigin})
		return
	}
	if origin := r.Header.Get("Origin"); origin != "" && (s.opts.anyOrigin || len(s.opts.origins) > 0) {
		if r.Method == http.MethodOptions {
			pollhttp.Preflight(w, origin)
			return
		}
		pollhttp.AllowOrigin(w.Header(), origin)
	}
	s.polling.ServeHTTP(w, r)
}

// pollLink is the link over a long-polling session.
type pollLink struct {
	*pollhttp.Session
	server *Server
}

func (l pollLink) queue(typ transport.MessageType, p []byte) error {
	return l.push(poll.Message{Data: append(make([]byte, 0, len(p)), p...), Binary: typ == transport.MessageBinary})
}

func (l pollLink) stage(b *transport.PreparedBatch) (int, error) {
	messages := b.Messages()
	for i, m := range messages {
		if err := l.push(poll.Message{Data: m.Payload(), Binary: m.Type() == transport.MessageBinary}); err != nil {
			return i, err
		}
	}
	return len(messages), nil
}

// What is pushed answers the poll that waits.
func (l pollLink) flush() {}

func (l pollLink) push(m poll.Message) error {
	if b := l.server.budget; b != nil && b.Used() >= b.Max() {
		if waiting, _ := l.Queued(); waiting > 0 {
			return transport.ErrQueueFull
		}
	}
	switch err := l.Send(m); {
	case errors.Is(err, pollhttp.ErrQueueFull):
		return transport.ErrQueueFull
	case errors.Is(err, pollhttp.ErrTooLarge):
		return errTooLarge
	default:
		return err
	}
}

func (l pollLink) wait(ctx context.Context) error { return l.WaitQueue(ctx) }

func (l pollLink) queued() (bytes, messages int) {
	messages, bytes = l.Queued()
	return bytes, messages
}

func (l pollLink) notifyRoom(f func()) { l.NotifyQueue(f) }

func (l pollLink) close(code transport.StatusCode, reason string) { l.Close(uint16(code), reason) }

func (l pollLink) refuse(code transport.StatusCode, reason string) { l.Refuse(uint16(code), reason) }

func (l pollLink) closeNow() { l.CloseNow() }

// The engine watches over its sessions itself: a client that stays away expires.
func (l pollLink) beats() bool { return false }

func (l pollLink) ping() {}

func (l pollLink) activity() uint32 { return 0 }

func (l pollLink) handOff() { l.HandOff() }

// pollHandler passes what happens to a long-polling session to its socket.
type pollHandler struct{ c *conn }

func (h pollHandler) Message(m pollhttp.Message) {
	typ := transport.MessageText
	if m.Binary {
		typ = transport.MessageBinary
	}
	h.c.received(typ, m.Data)
}

func (h pollHandler) Closed(cause error) { h.c.ended(pollCause(cause)) }

// pollSessionHandler is pollHandler for a session that outlives this one.
type pollSessionHandler struct {
	l   *sessionLink
	gen uint32
}

func (h pollSessionHandler) Message(m pollhttp.Message) {
	typ := transport.MessageText
	if m.Binary {
		typ = transport.MessageBinary
	}
	h.l.received(h.gen, typ, m.Data)
}

func (h pollSessionHandler) Closed(cause error) { h.l.lost(h.gen, pollCause(cause)) }

// pollCause is the end of a long-polling session in the words of a WebSocket's.
func pollCause(cause error) error {
	var ce *pollhttp.CloseError
	switch {
	case errors.As(cause, &ce) && ce.Remote:
		cause = &transport.CloseError{Code: transport.StatusCode(ce.Code), Reason: ce.Reason}
	case errors.Is(cause, pollhttp.ErrExpired):
		cause = ErrTimeout
	}
	return cause
}
