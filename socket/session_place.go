package socket

import (
	"github.com/kleeedolinux/socket.go/socket/internal/envelope"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// longestInPlace is the longest data that is encoded where it is kept, bytes: others wait for
// the lock meanwhile. besideInPlace is what there is around data and the event at most.
const (
	longestInPlace = 1 << 10
	besideInPlace  = maxHead + len(`{"event":"","data":}`)
)

// sendInPlace sends a message over the connection, encoded where it is kept instead of in a
// buffer first: one whose encoding runs nothing of the application's, as that of strings and
// numbers, and which nothing is in the way of. Of all others it does nothing, and reports
// false: they go the long way, which tells what the matter is.
func (l *sessionLink) sendInPlace(event Event, data any) bool {
	size, ok := envelope.Plain(data)
	if !ok || size > longestInPlace || l.ws.Load() == nil {
		return false
	}
	c := &l.c
	c.server.fanout.settle()
	if c.behind.Load() || c.hold.Load() != nil || c.taken(sendShare) {
		return false
	}
	l.lock()
	defer l.unlock()
	ws := l.ws.Load()
	if ws == nil || l.over || l.lags() {
		return false
	}
	room := l.out.Begin(len(event) + size + besideInPlace)
	if room == nil {
		return false // so that there is more from then on
	}
	n := l.next(webSocketLink{ws})
	b, head, err := n.appendEnvelope(room, event, data)
	if err != nil || len(b) > cap(room) { // with many escapes
		return false
	}
	size = len(b) // as that of one without a head
	if head > 0 {
		size -= head - 1
	}
	l.out.Add(b, formOf(transport.MessageText, head), size)
	if ws.Queue(transport.MessageText, b) != nil {
		l.out.Undo()
		return false
	}
	l.passed(n)
	l.bound()
	return true
}

// appendEnvelope appends an event with the numbers in front, which take head bytes.
func (n numbers) appendEnvelope(dst []byte, event Event, data any) (b []byte, head int, err error) {
	if n.silent(transport.MessageText) {
		b, err = envelope.Append(dst, event, data)
		return b, 0, err
	}
	b = n.appendHead(dst, transport.MessageText)
	comma := len(b) - 1 // in the place of the {
	b, err = envelope.Append(b[:comma], event, data)
	if err == nil {
		b[comma] = ','
	}
	return b, comma + 1 - len(dst), err
}
