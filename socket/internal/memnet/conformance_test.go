package memnet_test

// What every net.Conn must do. The list follows golang.org/x/net/nettest; the
// waiting is in virtual time.

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
)

var (
	longAgo   = time.Unix(233431200, 0)
	neverSoon = 30 * 24 * time.Hour
)

// conform runs test on each way to make a pair, inside a bubble.
func conform(t *testing.T, test func(t *testing.T, a, b net.Conn)) {
	t.Run("pipe", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a, b := memnet.Pipe()
			defer a.Close()
			defer b.Close()
			test(t, a, b)
		})
	})
	t.Run("small buffer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a, b := memnet.PipeBuffer(7)
			defer a.Close()
			defer b.Close()
			test(t, a, b)
		})
	})
	t.Run("dialled", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := memnet.Listen("server:80")
			defer l.Close()
			a, err := l.Dial(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer a.Close()
			b, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			test(t, a, b)
		})
	})
}

func TestBasicIO(t *testing.T) {
	conform(t, func(t *testing.T, a, b net.Conn) {
		want := make([]byte, 1<<20)
		rand.NewChaCha8([32]byte{1}).Read(want)
		var wg sync.WaitGroup
		wg.Go(func() {
			if n, err := a.Write(want); n != len(want) || err != nil {
				t.Errorf("Write = %d, %v", n, err)
			}
			a.Close()
		})
		wg.Go(func() {
			got, err := io.ReadAll(b)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("ReadAll: %d bytes, err %v; want the %d bytes written", len(got), err, len(want))
			}
		})
		wg.Wait()
	})
}

func TestPingPong(t *testing.T) {
	conform(t, func(t *testing.T, a, b net.Conn) {
		var wg sync.WaitGroup
		play := func(c net.Conn) {
			buf := make([]byte, 8)
			for {
				if _, err := io.ReadFull(c, buf); err != nil {
					if err != io.EOF {
						t.Errorf("read: %v", err)
					}
					return
				}
				v := binary.LittleEndian.Uint64(buf)
				binary.LittleEndian.PutUint64(buf, v+1)
				if v == 1000 {
					c.Close()
					return
				}
				if _, err := c.Write(buf); err != nil {
					t.Errorf("write: %v", err)
				}
			}
		}
		wg.Go(func() { play(a) })
		wg.Go(func() { play(b) })
		if _, err := a.Write(make([]byte, 8)); err != nil {
			t.Errorf("first write: %v", err)
		}
		wg.Wait()
	})
}

// Reads and writes from many goroutines with changing deadlines: a timeout is
// the only error, and no byte is lost or invented.
func TestRacyIO(t *testing.T) {
	conform(t, func(t *testing.T, a, b net.Conn) {
		var wg sync.WaitGroup
		go io.Copy(b, b)
		for range 10 {
			wg.Go(func() {
				buf := make([]byte, 1024)
				for range 10 {
					a.SetReadDeadline(time.Now().Add(time.Millisecond))
					if _, err := a.Read(buf); !isTimeout(err) && err != nil {
						t.Errorf("read: %v", err)
					}
				}
			})
			wg.Go(func() {
				buf := make([]byte, 1024)
				for range 10 {
					a.SetWriteDeadline(time.Now().Add(time.Millisecond))
					if _, err := a.Write(buf); !isTimeout(err) && err != nil {
						t.Errorf("write: %v", err)
					}
				}
			})
		}
		wg.Wait()
	})
}

func TestReadTimeout(t *testing.T) {
	conform(t, func(t *testing.T, a, b net.Conn) {
		start := time.Now()
		a.SetReadDeadline(start.Add(time.Minute))
		n, err := a.Read(make([]byte, 16))
		wantTimeout(t, n, err)
		if got := time.Since(start); got != time.Minute {
			t.Errorf("Read returned after %v, want 1m", got)
		}
		if n, err := a.Write([]byte("x")); n != 1 || err != nil {
			t.Errorf("Write under a read deadline = %d, %v", n, err)
		}
	})
}

func TestWriteTimeout(t *testing.T) {
	conform(t, func(t *testing.T, a, b net.Conn) {
		start := time.Now()
		a.SetWriteDeadline(start.Add(time.Minute))
		n, err := a.Write(make([]byte, 1<<20))
		if !isTimeout(err) || n == 0 || n == 1<<20 {
			t.Errorf("Write = %d, %v; want what the buffer holds and a timeout", n, err)
		}
		if got := time.Since(start); got != time.Minute {
			t.Errorf("Write returned after %v, want 1m", got)
		}
		got := make([]byte, n)
		if m, err := io.ReadFull(b, got); m != n || err != nil {
			t.Errorf("the peer reads %d, %v; want the %d bytes taken", m, err, n)
		}
	})
}

func TestPastDeadlineFailsAtOnce(t *testing.T) {
	conform(t, func(t *testing.T, a, b net.Conn) {
		b.Write([]byte("ready"))
		a.SetDeadline(longAgo)
		n, err := a.Read(make([]byte, 4))
		wantTimeout(t, n, err)
		n, err = a.Write([]byte("x"))
		wantTimeout(t, n, err)

		a.SetDeadline(time.Time{})
		if n, err := a.Read(make([]byte, 4)); n != 4 || err != nil {
			t.Errorf("Read after the deadline was lifted = %d, %v; want 4 bytes", n, err)
		}
		if n, err := a.Write([]byte("x")); n != 1 || err != nil {
			t.Errorf("Write after the deadline was lifted = %d, %v", n, err)
		}
	})
}

func TestPresentDeadlineUnblocks(t *testing.T) {
	for _, when := range []struct {
		name string
		at   func() time.Time
	}{
		{"past", func() time.Time { return longAgo }},
		{"present", time.Now},
		{"future", func() time.Time { return time.Now().Add(100 * time.Millisecond) }},
	} {
		t.Run(when.name, func(t *testing.T) {
			conform(t, func(t *testing.T, a, b net.Conn) {
				var wg sync.WaitGroup
				wg.Go(func() {
					n, err := a.Read(make([]byte, 1024))
					wantTimeout(t, n, err)
				})
				wg.Go(func() {
					var err error
					for err == nil {
						_, err = a.Write(make([]byte, 1024))
					}
					if !isTimeout(err) {
						t.Errorf("write: %v, want a timeout", err)
					}
				})
				synctest.Wait() // both are blocked
				a.SetDeadline(when.at())
				wg.Wait()
			})
		})
	}
}

func TestLaterDeadlineReplacesEarlier(t *testing.T) {
	conform(t, func(t *testing.T, a, b net.Conn) {
		start := time.Now()
		a.SetReadDeadline(start.Add(time.Second))
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := a.Read(make([]byte, 1))
			if got := time.Since(start); !isTimeout(err) || got != 3*time.Second {
				t.Errorf("Read = %v after %v, want a timeout after 3s", err, got)
			}
		})
		time.Sleep(500 * time.Millisecond)
		a.SetReadDeadline(start.Add(3 * time.Second))
		wg.Wait()
	})
}

// A deadline moved a million times must leave nothing behind that fires.
func TestRacyDeadlines(t *testing.T) {
	conform(t, func(t *testing.T, a, b net.Conn) {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for i := range 200 {
					a.SetDeadline(time.Now().Add(time.Duration(i%3-1) * time.Millisecond))
				}
			})
			wg.Go(func() {
				for range 200 {
					a.Write([]byte("x"))
					a.SetReadDeadline(longAgo)
					a.Read(make([]byte, 1))
				}
			})
		}
		wg.Wait()
		a.SetDeadline(time.Time{})
		go io.Copy(io.Discard, b)
		time.Sleep(time.Second)
		if n, err := a.Write([]byte("x")); n != 1 || err != nil {
			t.Errorf("Write after all deadlines were lifted = %d, %v", n, err)
		}
	})
}

func TestReadDeadlineDoesNotStopWrite(t *testing.T) {
	conform(t, func(t *testing.T, a, b net.Conn) {
		a.SetReadDeadline(longAgo)
		if n, err := a.Write([]byte("x")); n != 1 || err != nil {
			t.Errorf("Write = %d, %v", n, err)
		}
		b.SetWriteDeadline(longAgo)
		if n, err := b.Read(make([]byte, 1)); n != 1 || err != nil {
			t.Errorf("Read = %d, %v", n, err)
		}
	})
}

func TestCloseUnblocks(t *testing.T) {
	conform(t, func(t *testing.T, a, b net.Conn) {
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := a.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
				t.Errorf("blocked Read: %v, want net.ErrClosed", err)
			}
		})
		wg.Go(func() {
			if _, err := a.Write(make([]byte, 1<<20)); !errors.Is(err, net.ErrClosed) {
				t.Errorf("blocked Write: %v, want net.ErrClosed", err)
			}
		})
		synctest.Wait()
		if err := a.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		wg.Wait()
		if err := a.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("second Close: %v, want net.ErrClosed", err)
		}
		if err := a.SetDeadline(time.Now()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("SetDeadline after Close: %v, want net.ErrClosed", err)
		}
	})
}

func TestConcurrentMethods(t *testing.T) {
	conform(t, func(t *testing.T, a, b net.Conn) {
		go io.Copy(b, b)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { a.Read(make([]byte, 1024)) })
			wg.Go(func() { a.Write(make([]byte, 1024)) })
			wg.Go(func() { a.SetDeadline(time.Now().Add(10 * time.Millisecond)) })
			wg.Go(func() { a.SetReadDeadline(longAgo) })
			wg.Go(func() { a.SetWriteDeadline(time.Now().Add(neverSoon)) })
			wg.Go(func() { _ = a.LocalAddr().String() })
			wg.Go(func() { _ = a.RemoteAddr().Network() })
		}
		time.Sleep(time.Hour)
		a.Close()
		wg.Wait()
	})
}

// The same without a bubble: real time, real scheduling, for the race detector.
func TestFreeRunning(t *testing.T) {
	a, b := memnet.PipeBuffer(300)
	want := make([]byte, 1<<18)
	rand.NewChaCha8([32]byte{2}).Read(want)
	var wg sync.WaitGroup
	wg.Go(func() { io.Copy(b, b) })
	wg.Go(func() { // a bystander that must not disturb
		for range 100 {
			a.SetWriteDeadline(time.Now().Add(time.Minute))
			a.SetReadDeadline(time.Now().Add(time.Minute))
		}
	})
	wg.Go(func() {
		for rest := want; len(rest) > 0; {
			n := min(len(rest), 1+len(rest)%997)
			if _, err := a.Write(rest[:n]); err != nil {
				t.Errorf("write: %v", err)
				return
			}
			rest = rest[n:]
		}
	})
	got := make([]byte, len(want))
	if _, err := io.ReadFull(a, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the echo differs (err %v)", err)
	}
	a.Close()
	wg.Wait()
	b.Close()
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) && errors.As(err, &ne) && ne.Timeout() &&
		!errors.Is(err, context.DeadlineExceeded)
}

func wantTimeout(t *testing.T, n int, err error) {
	t.Helper()
	if n != 0 || !isTimeout(err) {
		t.Errorf("got %d, %v; want 0 and a timeout", n, err)
	}
}
