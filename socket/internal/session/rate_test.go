package session_test

import (
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/session"
)

func TestRate(t *testing.T) {
	const s = time.Second
	type step struct {
		at   time.Duration
		n    int
		want bool
	}
	tests := []struct {
		name      string
		perSecond int
		steps     []step
	}{
		{"zero allows everything", 0, []step{{0, 1 << 30, true}, {0, 1 << 30, true}}},
		{"negative allows everything", -1, []step{{0, 1 << 30, true}}},
		{"a burst of two seconds, then nothing", 10, []step{{0, 20, true}, {0, 1, false}}},
		{"tokens come back evenly", 10, []step{{0, 20, true}, {s / 2, 5, true}, {s / 2, 1, false}, {s, 5, true}}},
		{"a rest is worth no more than a burst", 10, []step{{3600 * s, 20, true}, {3600 * s, 1, false}}},
		{"what was refused is not counted", 10, []step{{0, 15, true}, {0, 6, false}, {0, 5, true}}},
		{"one large thing passes a full bucket", 10, []step{{0, 100, true}, {s, 1, false}, {9 * s, 10, true}}},
		{"time that goes backwards brings nothing", 10, []step{{10 * s, 20, true}, {s, 1, false}, {10 * s, 1, false}, {11 * s, 10, true}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := session.NewRate(tt.perSecond, 0)
			for i, st := range tt.steps {
				if got := r.Allow(st.at, st.n); got != st.want {
					t.Fatalf("step %d: Allow(%v, %d) = %t, want %t", i, st.at, st.n, got, st.want)
				}
			}
		})
	}
}
