package restart_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/distributed/internal/restart"
)

// model is OTP's algorithm, word by word: a list of times, the newest first.
type model struct {
	max    int
	period time.Duration
	times  []time.Duration
}

func (m *model) add(now time.Duration) bool {
	kept := []time.Duration{now}
	for _, t := range m.times {
		if t >= now-m.period {
			kept = append(kept, t)
		}
	}
	m.times = kept
	return len(m.times) <= m.max
}

func TestWindowCountsAsOTPDoes(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 2000 {
		limit, period := r.IntN(6), time.Duration(1+r.IntN(10))
		w := restart.Window{Max: limit, Period: period}
		m := model{max: limit, period: period}
		now := time.Duration(0)
		for i := range 50 {
			now += time.Duration(r.IntN(5))
			if got, want := w.Add(now), m.add(now); got != want {
				t.Fatalf("max %d, period %d, event %d at %d: %v, want %v", limit, period, i, now, got, want)
			}
		}
	}
}

func TestWindowHasBothEndsInIt(t *testing.T) {
	for _, tt := range []struct {
		name string
		max  int
		at   []time.Duration
		want bool // of the last one
	}{
		{"none allowed", 0, []time.Duration{0}, false},
		{"one allowed", 1, []time.Duration{0}, true},
		{"the second exactly a period later", 1, []time.Duration{0, 5}, false},
		{"the second later than that", 1, []time.Duration{0, 6}, true},
		{"three at once", 2, []time.Duration{9, 9, 9}, false},
		{"three, the first of which is old", 2, []time.Duration{3, 9, 9}, true},
		{"unlimited", restart.Unlimited, []time.Duration{1, 1, 1, 1}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := restart.Window{Max: tt.max, Period: 5}
			got := false
			for _, at := range tt.at {
				got = w.Add(at)
			}
			if got != tt.want {
				t.Errorf("Add at %v, the last one: %v, want %v", tt.at, got, tt.want)
			}
		})
	}
}

func TestWindowKeepsNoMoreThanItNeeds(t *testing.T) {
	w := restart.Window{Max: 10, Period: 10}
	now := time.Duration(0)
	if got := testing.AllocsPerRun(10000, func() {
		now += 5
		w.Add(now)
	}); got > 1 {
		t.Errorf("%v allocations for each", got)
	}
}

func TestDecide(t *testing.T) {
	for _, tt := range []struct {
		name    string
		kind    restart.Kind
		ordered bool
		want    restart.Decision
	}{
		{"permanent, crash", restart.Permanent, false, restart.Restart},
		{"permanent, normal", restart.Permanent, true, restart.Restart},
		{"transient, crash", restart.Transient, false, restart.Restart},
		{"transient, normal", restart.Transient, true, restart.Keep},
		{"temporary, crash", restart.Temporary, false, restart.Forget},
		{"temporary, normal", restart.Temporary, true, restart.Forget},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := restart.Decide(tt.kind, tt.ordered); got != tt.want {
				t.Errorf("Decide = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestAutoEnds(t *testing.T) {
	for _, tt := range []struct {
		name                string
		auto                restart.Auto
		significant, others bool
		want                bool
	}{
		{"never", restart.Never, true, false, false},
		{"any, significant", restart.Any, true, true, true},
		{"any, insignificant", restart.Any, false, false, false},
		{"all, not the last", restart.All, true, true, false},
		{"all, the last", restart.All, true, false, true},
		{"all, insignificant", restart.All, false, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.auto.Ends(tt.significant, tt.others); got != tt.want {
				t.Errorf("Ends = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestBackoffDoublesUpToItsMaximum(t *testing.T) {
	b := restart.Backoff{Min: 100, Max: 1000}
	for before, full := range []time.Duration{100, 200, 400, 800, 1000, 1000} {
		if got := b.Delay(before, 0); got != full {
			t.Errorf("Delay(%d, 0) = %d, want %d", before, got, full)
		}
		if got := b.Delay(before, 0.999); got < full/2 || got >= full {
			t.Errorf("Delay(%d, 0.999) = %d, want %d to %d", before, got, full/2, full)
		}
	}
	b = restart.Backoff{Min: 1, Max: math.MaxInt64}
	if got := b.Delay(1000, 0); got != math.MaxInt64 {
		t.Errorf("Delay(1000, 0) = %d", got)
	}
	if got := (restart.Backoff{}).Delay(7, 0.5); got != 0 {
		t.Errorf("without a backoff: %v", got)
	}
}
