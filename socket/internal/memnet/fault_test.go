package memnet_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
)

// bubble runs test with a fresh pair in virtual time.
func bubble(t *testing.T, test func(t *testing.T, a, b *memnet.Conn)) {
	synctest.Test(t, func(t *testing.T) {
		a, b := memnet.Pipe()
		defer a.Close()
		defer b.Close()
		test(t, a, b)
	})
}

func TestCloseDeliversWhatWasWrittenThenEOF(t *testing.T) {
	bubble(t, func(t *testing.T, a, b *memnet.Conn) {
		a.Write([]byte("last words"))
		a.Close()
		got, err := io.ReadAll(b)
		if string(got) != "last words" || err != nil {
			t.Errorf("ReadAll = %q, %v", got, err)
		}
		if _, err := b.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("Write to a closed peer: %v, want EPIPE", err)
		}
	})
}

func TestPeerCloseUnblocksWrite(t *testing.T) {
	bubble(t, func(t *testing.T, a, b *memnet.Conn) {
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := a.Write(make([]byte, 1<<20)); !errors.Is(err, syscall.EPIPE) {
				t.Errorf("Write: %v, want EPIPE", err)
			}
		})
		synctest.Wait()
		b.Close()
		wg.Wait()
	})
}

func TestCloseWriteEndsOneDirection(t *testing.T) {
	bubble(t, func(t *testing.T, a, b *memnet.Conn) {
		a.Write([]byte("question"))
		if err := a.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(b); string(got) != "question" || err != nil {
			t.Errorf("ReadAll = %q, %v", got, err)
		}
		if _, err := a.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("Write after CloseWrite: %v, want EPIPE", err)
		}
		if _, err := b.Write([]byte("answer")); err != nil {
			t.Errorf("the other direction: %v", err)
		}
		b.Close()
		if got, err := io.ReadAll(a); string(got) != "answer" || err != nil {
			t.Errorf("ReadAll = %q, %v", got, err)
		}
		a.Close()
		if err := a.CloseWrite(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("CloseWrite after Close: %v, want net.ErrClosed", err)
		}
	})
}

func TestFullBufferBlocksWriterUntilRead(t *testing.T) {
	bubble(t, func(t *testing.T, a, b *memnet.Conn) {
		if n, err := a.Write(make([]byte, memnet.DefaultBuffer)); n != memnet.DefaultBuffer || err != nil {
			t.Fatalf("filling the buffer: %d, %v", n, err)
		}
		start := time.Now()
		time.AfterFunc(time.Minute, func() { b.Read(make([]byte, 1)) })
		if n, err := a.Write([]byte("x")); n != 1 || err != nil {
			t.Errorf("Write = %d, %v", n, err)
		}
		if got := time.Since(start); got != time.Minute {
			t.Errorf("Write returned after %v, want 1m: when the reader made room", got)
		}
	})
}

func TestWritesStayTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := memnet.PipeBuffer(10)
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() { a.Write(bytes.Repeat([]byte{'a' + byte(i)}, 1000)) })
		}
		go func() { wg.Wait(); a.Close() }()
		got, _ := io.ReadAll(b)
		runs := 1
		for i := 1; i < len(got); i++ {
			if got[i] != got[i-1] {
				runs++
			}
		}
		if len(got) != 4000 || runs != 4 {
			t.Errorf("%d bytes in %d runs, want 4000 bytes in 4", len(got), runs)
		}
	})
}

func TestCutResetsBothEnds(t *testing.T) {
	bubble(t, func(t *testing.T, a, b *memnet.Conn) {
		b.Write([]byte("arrived"))
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := b.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("blocked Read: %v, want ECONNRESET", err)
			}
		})
		wg.Go(func() {
			if _, err := b.Write(make([]byte, 1<<20)); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("blocked Write: %v, want ECONNRESET", err)
			}
		})
		synctest.Wait()
		a.Cut()
		wg.Wait()
		if _, err := a.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("Write: %v, want ECONNRESET", err)
		}
		got, err := io.ReadAll(a)
		if !bytes.HasPrefix(got, []byte("arrived")) || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("ReadAll = %d bytes, %v; want what had arrived, then ECONNRESET", len(got), err)
		}
		if err := a.Close(); err != nil {
			t.Errorf("Close of a cut connection: %v", err)
		}
	})
}

func TestCutAfterDeliversExactly(t *testing.T) {
	for n := range 12 {
		bubble(t, func(t *testing.T, a, b *memnet.Conn) {
			a.Write([]byte("before "))
			a.CutAfter(n)
			var taken int
			var err error
			for i := 0; i < 12 && err == nil; i += 4 {
				var m int
				m, err = a.Write([]byte("0123456789ab")[i : i+4])
				taken += m
			}
			if taken != n || n < 9 && !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("CutAfter(%d): %d bytes taken, err %v", n, taken, err)
			}
			got, err := io.ReadAll(b)
			if want := "before " + "0123456789ab"[:n]; string(got) != want || !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("CutAfter(%d): the peer reads %q, %v; want %q and ECONNRESET", n, got, err, want)
			}
		})
	}
}

func TestCutAfterCanBeTakenBack(t *testing.T) {
	bubble(t, func(t *testing.T, a, b *memnet.Conn) {
		a.CutAfter(2)
		a.CutAfter(-1)
		if n, err := a.Write([]byte("abc")); n != 3 || err != nil {
			t.Errorf("Write = %d, %v", n, err)
		}
	})
}

func TestStallIsABlackHole(t *testing.T) {
	bubble(t, func(t *testing.T, a, b *memnet.Conn) {
		a.Write([]byte("before"))
		b.Stall()
		if n, err := a.Write([]byte(" during")); n != 7 || err != nil {
			t.Errorf("Write into the black hole = %d, %v", n, err)
		}
		if n, err := b.Write([]byte("back")); n != 4 || err != nil {
			t.Errorf("Write into the black hole = %d, %v", n, err)
		}
		buf := make([]byte, 32)
		if n, err := b.Read(buf); string(buf[:n]) != "before" || err != nil {
			t.Errorf("Read = %q, %v; want what arrived before", buf[:n], err)
		}
		for _, c := range []*memnet.Conn{a, b} {
			c.SetReadDeadline(time.Now().Add(time.Hour))
			n, err := c.Read(buf)
			wantTimeout(t, n, err)
			c.SetReadDeadline(time.Time{})
		}
		a.Close()
		if _, err := b.Write([]byte("x")); err != nil {
			t.Errorf("Write: %v; the news of the close has not arrived", err)
		}
		start := time.Now()
		time.AfterFunc(time.Minute, a.Resume)
		got, err := io.ReadAll(b)
		if string(got) != " during" || err != nil || time.Since(start) != time.Minute {
			t.Errorf("after Resume: %q, %v", got, err)
		}
		if _, err := b.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("Write: %v, want EPIPE", err)
		}
	})
}

func TestStallFillsTheBuffer(t *testing.T) {
	bubble(t, func(t *testing.T, a, b *memnet.Conn) {
		a.Stall()
		a.SetWriteDeadline(time.Now().Add(time.Second))
		n, err := a.Write(make([]byte, 1<<20))
		if n != memnet.DefaultBuffer || !isTimeout(err) {
			t.Errorf("Write = %d, %v; want the buffer's size and a timeout", n, err)
		}
	})
}

func TestCutLosesWhatStallHolds(t *testing.T) {
	bubble(t, func(t *testing.T, a, b *memnet.Conn) {
		a.Write([]byte("kept"))
		a.Stall()
		a.Write([]byte("lost"))
		a.Cut()
		got, err := io.ReadAll(b)
		if string(got) != "kept" || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("ReadAll = %q, %v", got, err)
		}
	})
}

func TestStallAfterLetsExactlySoManyBytesArrive(t *testing.T) {
	for n := range 6 {
		synctest.Test(t, func(t *testing.T) {
			a, b := memnet.Pipe()
			a.StallAfter(n)
			a.Write([]byte("ab"))
			a.Write([]byte("cd"))
			if want := n <= 3; a.Broken() != want {
				t.Errorf("StallAfter(%d): Broken() = %t behind 4 bytes", n, !want)
			}
			b.SetReadDeadline(time.Now().Add(time.Second))
			got, _ := io.ReadAll(b)
			if want := "abcd"[:min(n, 4)]; string(got) != want {
				t.Errorf("StallAfter(%d): %q arrives, want %q", n, got, want)
			}
			a.Close()
			b.Close()
		})
	}
}
