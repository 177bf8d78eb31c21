package distributed_test

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMain fails the run when a goroutine of this module outlives the tests.
func TestMain(m *testing.M) {
	code := m.Run()
	var left []string
	// Goroutines that have been told to end need a moment to be gone.
	for range 200 {
		if left = ourGoroutines(); len(left) == 0 {
			os.Exit(code)
		}
		time.Sleep(10 * time.Millisecond)
	}
	fmt.Fprintf(os.Stderr, "%d leaked goroutines:\n\n%s\n", len(left), strings.Join(left, "\n\n"))
	os.Exit(1)
}

// ourGoroutines returns the stacks of all goroutines that run code of this
// module, apart from the caller's.
func ourGoroutines() []string {
	buf := make([]byte, 1<<20)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	var found []string
	for i, stack := range strings.Split(string(buf), "\n\n") {
		// The first one is the caller itself; those that wait for a test to end
		// are the test's.
		waits := strings.Contains(stack, "testing.(*T).Run(") || strings.Contains(stack, "testing.(*M).Run(")
		if i > 0 && !waits && strings.Contains(stack, "kleeedolinux/socket.go/") {
			found = append(found, stack)
		}
	}
	return found
}
