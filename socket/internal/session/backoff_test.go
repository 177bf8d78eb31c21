package session_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/session"
)

const (
	lowest  = 0.0
	highest = 1 - 1.0/(1<<53)
)

func TestBackoffDoublesUpToTheMaximum(t *testing.T) {
	b := session.NewBackoff(session.BackoffOptions{Base: time.Second, Max: 30 * time.Second})
	for i, want := range []time.Duration{1, 2, 4, 8, 16, 30, 30, 30} {
		got, ok := b.Next(highest)
		if want *= time.Second; !ok || got > want || got < want-time.Microsecond {
			t.Errorf("attempt %d: %v, %v; want just under %v", i+1, got, ok, want)
		}
	}
}

func TestBackoffNeverHammers(t *testing.T) {
	b := session.NewBackoff(session.BackoffOptions{Base: time.Second})
	for i := range 20 {
		if got, _ := b.Next(lowest); got != 100*time.Millisecond {
			t.Errorf("attempt %d: %v, want a tenth of the base", i+1, got)
		}
	}
}

func TestBackoffJitterIsFull(t *testing.T) {
	const n = 100000
	b := session.NewBackoff(session.BackoffOptions{Base: time.Second, Max: time.Second})
	rng := rand.New(rand.NewPCG(1, 2))
	var buckets [9]int
	for range n {
		d, _ := b.Next(rng.Float64())
		buckets[(d-100*time.Millisecond)*9/(900*time.Millisecond)]++
	}
	for i, got := range buckets {
		if got < n/9*9/10 || got > n/9*11/10 {
			t.Errorf("bucket %d of 9 has %d of %d waits", i, got, n)
		}
	}
}

func TestBackoffAttempts(t *testing.T) {
	b := session.NewBackoff(session.BackoffOptions{Attempts: 5})
	for round := range 3 {
		for i := range 5 {
			if _, ok := b.Next(0.5); !ok || b.Attempts() != i+1 {
				t.Fatalf("round %d: attempt %d: ok %v, Attempts %d", round, i+1, ok, b.Attempts())
			}
		}
		for range 3 {
			if d, ok := b.Next(0.5); ok || d != 0 || b.Attempts() != 5 {
				t.Errorf("after the last attempt: %v, %v, Attempts %d", d, ok, b.Attempts())
			}
		}
		b.Reset()
		if b.Attempts() != 0 {
			t.Errorf("Attempts after Reset = %d", b.Attempts())
		}
	}
}

func TestBackoffResetStartsWithTheBase(t *testing.T) {
	b := session.NewBackoff(session.BackoffOptions{Base: time.Second, Max: time.Minute})
	for range 10 {
		b.Next(highest)
	}
	b.Reset()
	if got, _ := b.Next(highest); got > time.Second {
		t.Errorf("first wait after Reset = %v, want at most the base", got)
	}
}

func TestBackoffSurvivesThousandsOfAttempts(t *testing.T) {
	for _, o := range []session.BackoffOptions{
		{},
		{Base: 1, Max: math.MaxInt64},
		{Base: math.MaxInt64, Max: math.MaxInt64},
		{Base: time.Hour, Max: time.Second},
		{Base: -1, Max: -1, Attempts: -1},
		{Base: 3, Max: 10},
	} {
		most := o.Max
		if most <= 0 {
			most = session.DefaultBackoffMax
		}
		b := session.NewBackoff(o)
		for i := range 10000 {
			got, ok := b.Next([]float64{lowest, 0.5, highest, 1, 2, -1, math.NaN(), math.Inf(1)}[i%8])
			if !ok || got < 0 || got > most {
				t.Fatalf("%+v, attempt %d: %v, %v; want 0 to %v", o, i+1, got, ok, most)
			}
		}
	}
}
