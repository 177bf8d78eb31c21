package session_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/session"
)

// One tick of a server with n connections, each with a heartbeat of 25 s.
func BenchmarkWheelTick(b *testing.B) {
	for _, n := range []int{1000, 100000} {
		b.Run(fmt.Sprintf("conns=%d", n), func(b *testing.B) {
			w := session.NewWheel(session.WheelOptions{})
			entries := make([]session.Entry, n)
			for i := range entries {
				w.Add(&entries[i], time.Duration(i)*25*sec/time.Duration(n))
			}
			now := time.Duration(0)
			fire := func(e *session.Entry) { w.Add(e, now+25*sec) }
			b.ReportAllocs()
			for b.Loop() {
				now += session.DefaultWheelTick
				w.Advance(now, fire)
			}
		})
	}
}

func BenchmarkWheelAddRemove(b *testing.B) {
	w := session.NewWheel(session.WheelOptions{})
	var e session.Entry
	b.ReportAllocs()
	for b.Loop() {
		w.Add(&e, 25*sec)
		w.Remove(&e)
	}
}

func BenchmarkHeartbeat(b *testing.B) {
	h := session.NewHeartbeat(session.HeartbeatOptions{}, 0, 0.5)
	now := time.Duration(0)
	b.ReportAllocs()
	for b.Loop() {
		now += sec
		h.Seen(now)
		h.Advance(now)
	}
}

func BenchmarkOutbox(b *testing.B) {
	var o session.Outbox
	o.Move(session.NewRoom(1 << 10))
	msg := make([]byte, 100)
	o.Add(append(o.Begin(len(msg)), msg...), 0, len(msg))
	b.ReportAllocs()
	for b.Loop() {
		n := o.Add(append(o.Begin(len(msg)), msg...), 0, len(msg))
		o.Ack(n-1, func(*session.Room) {})
	}
}

func BenchmarkBackoff(b *testing.B) {
	back := session.NewBackoff(session.BackoffOptions{})
	b.ReportAllocs()
	for b.Loop() {
		back.Next(0.5)
	}
}

func BenchmarkNewID(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		session.NewID([16]byte{1, 2, 3})
	}
}
