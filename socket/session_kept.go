package socket

import (
	"math/bits"
	"sync"

	"github.com/kleeedolinux/socket.go/socket/internal/session"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// Sizes, bytes, of what either end of a session keeps messages in.
const (
	largestInRoom = 16 << 10  // of a message: an allocation costs little beside what a larger one does
	smallestRoom  = 512       // and each size is twice the one before
	largestPooled = 128 << 10 // of a room
	largestRoom   = 1 << 30
)

// roomPools have rooms of smallestRoom, of twice that, and so on: what many sessions keep for
// a moment each takes memory that the processor has just seen. Shared by all sessions of the
// process.
var roomPools [9]sync.Pool

// newRoom returns an empty room of n bytes or more.
func newRoom(n int) *session.Room {
	class := bits.Len(uint(max(n, smallestRoom)-1) / smallestRoom)
	if class >= len(roomPools) {
		return session.NewRoom(n + n/4)
	}
	if r, ok := roomPools[class].Get().(*session.Room); ok {
		return r
	}
	return session.NewRoom(smallestRoom << class)
}

// freeRoom takes back an empty room, or nil.
func freeRoom(r *session.Room) {
	if r == nil || r.Size() < smallestRoom || r.Size() > largestPooled {
		return
	}
	r.Trim()
	roomPools[bits.Len(uint(r.Size()-1)/smallestRoom)].Put(r)
}

// beginIn returns the empty slice that a message of at most most bytes is to be appended to, for
// keepIn: in the room of out, which gets a larger one if there is none for it, or apart, since it
// is too large for one.
func beginIn(out *session.Outbox, most int) (b []byte, apart bool) {
	if b = out.Begin(most); b != nil {
		return b, false
	}
	wants := out.Wants(most)
	if most > largestInRoom || wants > largestRoom {
		return make([]byte, 0, most), true
	}
	freeRoom(out.Move(newRoom(wants)))
	return out.Begin(most), false
}

// keepIn keeps what was appended to that of beginIn, and returns its number.
func keepIn(out *session.Outbox, b []byte, apart bool, f session.Form, size int) uint64 {
	if apart {
		return out.AddApart(b, f, size)
	}
	return out.Add(b, f, size)
}

// sharedList is a list of messages that many sessions keep, in one piece of memory for all.
type sharedList struct {
	messages []*transport.PreparedMessage
	size     int // bytes of all
}

// Message is that of session.List.
func (s *sharedList) Message(i int) (b []byte, f session.Form, size int) {
	m := s.messages[i]
	b = m.Payload()
	return b, formOf(m.Type(), 0), len(b)
}

// sharedOf returns the list of messages, which most often is that of the last call: one
// socket after the other is sent the same.
func (f *fanout) sharedOf(messages []*transport.PreparedMessage) *sharedList {
	if s := f.latest.Load(); s != nil && len(s.messages) == len(messages) && &s.messages[0] == &messages[0] {
		return s
	}
	s := &sharedList{messages: messages}
	for _, m := range messages {
		s.size += len(m.Payload())
	}
	f.latest.Store(s)
	return s
}

// keep keeps the first n messages of the list in out.
func (s *sharedList) keep(out *session.Outbox, n int) {
	size := s.size
	if n < len(s.messages) {
		size = 0
		for _, m := range s.messages[:n] {
			size += len(m.Payload())
		}
	}
	out.AddList(s, 0, n, size)
}

// keepOne keeps one message of the list in out.
func (s *sharedList) keepOne(out *session.Outbox, i int) {
	out.AddList(s, i, 1, len(s.messages[i].Payload()))
}

// formOf is that of a message with so many bytes of numbers in front.
func formOf(typ transport.MessageType, head int) session.Form {
	if typ == transport.MessageBinary {
		return session.BinaryForm | session.Form(head)
	}
	return session.Form(head)
}

// typeOf is that of a message that is kept.
func typeOf(k session.Kept) transport.MessageType {
	if k.Form.Binary() {
		return transport.MessageBinary
	}
	return transport.MessageText
}

// again appends message n, which is kept, as it goes out again.
func (n numbers) again(k session.Kept, buf []byte) []byte {
	typ, from := typeOf(k), k.Form.Head()
	if from == 0 {
		from = headless(typ)
	}
	return append(n.appendHead(buf, typ), k.B[from:]...)
}

// undeliveredOf returns a message that is kept without its numbers, in memory that stays what
// it is.
func undeliveredOf(k session.Kept) Undelivered {
	head, binary := k.Form.Head(), k.Form.Binary()
	if k.Apart && head == 0 {
		return Undelivered{Binary: binary, Data: k.B[:len(k.B):len(k.B)]}
	}
	p := k.B[head:]
	if head > 0 && !binary {
		p = append(append(make([]byte, 0, 1+len(p)), '{'), p...) // the last byte of the head was the comma
	} else {
		p = append(make([]byte, 0, len(p)), p...)
	}
	return Undelivered{Binary: binary, Data: p}
}

// keep keeps the next message of the session, which is p with the numbers n, and returns it as
// it goes out, good until the next change of what is kept. It is called with mu held.
func (l *sessionLink) keep(n numbers, typ transport.MessageType, p []byte) []byte {
	most, head := maxHead+len(p), 0
	b, apart := beginIn(&l.out, most)
	if n.silent(typ) {
		b = append(b, p...)
	} else {
		b = n.appendHead(b, typ)
		head = len(b)
		b = append(b, p[headless(typ):]...)
	}
	keepIn(&l.out, b, apart, formOf(typ, head), len(p))
	return b
}

// idle gives back the memory that waits for the next message. It is called with mu held.
func (l *sessionLink) idle() {
	freeRoom(l.out.Shrink())
	l.discharge()
}
