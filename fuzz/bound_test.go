package fuzz

import (
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"runtime"
	"runtime/metrics"
	"testing"
	"testing/synctest"
	"time"
)

// TestMain fails the run when a goroutine outlives the tests.
func TestMain(m *testing.M) {
	log.SetOutput(io.Discard) // net/http tells there of the nonsense that it gets
	before := runtime.NumGoroutine()
	code := m.Run()
	if flag.Lookup("test.fuzz").Value.String() != "" {
		os.Exit(code) // the fuzzer keeps a goroutine of its own
	}
	// Goroutines that have been told to end need a moment to be gone.
	for range 100 {
		if runtime.NumGoroutine() <= before {
			os.Exit(code)
		}
		time.Sleep(10 * time.Millisecond)
	}
	fmt.Fprintf(os.Stderr, "leaked goroutines:\n%s", stacks())
	os.Exit(1)
}

// bounds are what one input may cost. They are far above what is needed and far
// below what an attacker would be content with.
type bounds struct {
	memory  uint64        // bytes allocated in all
	perByte uint64        // further ones for each byte of the input
	time    time.Duration // of the machine; virtual time is free
}

var ordinary = bounds{memory: 8 << 20, perByte: 256, time: time.Minute}

// bounded runs f in a bubble and fails when f panics, hangs, leaves a goroutine
// behind or allocates more than its input of n bytes explains.
func bounded(t *testing.T, b bounds, n int, f func(t *testing.T)) {
	t.Helper()
	// Outside of the bubble: its own clock stands still while anything in it runs.
	alarm := time.AfterFunc(b.time, func() {
		fmt.Fprintf(os.Stderr, "no end after %v:\n%s", b.time, stacks())
		panic("an input takes too long")
	})
	defer alarm.Stop()
	before := allocated()
	synctest.Test(t, f)
	if got, most := allocated()-before, b.memory+b.perByte*uint64(n); got > most {
		t.Errorf("%d bytes of input made it allocate %d bytes, more than %d", n, got, most)
	}
}

// allocated returns the bytes that the process has allocated so far.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

func stacks() []byte {
	buf := make([]byte, 1<<20)
	return buf[:runtime.Stack(buf, true)]
}
