package distributed

import (
	"context"
	"runtime"
	"sync"
	"testing"
)

func BenchmarkSend(b *testing.B) {
	n := NewNode("n", WithLogger(nil), WithMailboxSize(1<<30))
	done := make(chan struct{})
	got := 0
	r, _ := Spawn(n, func(p *Process, m int) error {
		got++
		if m == 1 {
			close(done)
		}
		return nil
	})
	b.ReportAllocs()
	for b.Loop() {
		r.Send(0)
	}
	r.Send(1)
	<-done
}

func BenchmarkFanIn(b *testing.B) {
	n := NewNode("n", WithLogger(nil), WithMailboxSize(1<<30))
	var done sync.WaitGroup
	r, _ := Spawn(n, func(p *Process, m int) error { return nil })
	b.ReportAllocs()
	per := b.N/1000 + 1
	b.ResetTimer()
	for range 1000 {
		done.Go(func() {
			for range per {
				r.Send(0)
			}
		})
	}
	done.Wait()
}

func BenchmarkPingPong(b *testing.B) {
	n := NewNode("n", WithLogger(nil))
	done := make(chan struct{})
	var ping, pong Ref[int]
	ping, _ = Spawn(n, func(p *Process, m int) error {
		if m == 0 {
			close(done)
			return nil
		}
		return pong.Send(m - 1)
	})
	pong, _ = Spawn(n, func(p *Process, m int) error { return ping.Send(m) })
	b.ReportAllocs()
	b.ResetTimer()
	ping.Send(b.N)
	<-done
}

func BenchmarkCall(b *testing.B) {
	n := NewNode("n", WithLogger(nil))
	r, _ := Spawn(n, func(p *Process, m From[int]) error { m.Reply(1); return nil })
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Call(context.Background(), r, func(f From[int]) From[int] { return f }); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSpawn(b *testing.B) {
	n := NewNode("n", WithLogger(nil))
	b.ReportAllocs()
	f := func(p *Process, m int) error { return nil }
	for b.Loop() {
		Spawn(n, f)
	}
}

func BenchmarkIdle(b *testing.B) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	n := NewNode("n", WithLogger(nil))
	f := func(p *Process, m int) error { return nil }
	for range b.N {
		Spawn(n, f)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(b.N), "B/process")
	runtime.KeepAlive(n)
}
