package memnet_test

import (
	"errors"
	"io"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
)

func TestDelayedBytesArriveInTheirOrderAndTime(t *testing.T) {
	bubble(t, func(t *testing.T, a, b *memnet.Conn) {
		start := time.Now()
		a.Delay(time.Second)
		a.Write([]byte("slow "))
		a.Delay(time.Millisecond)
		a.Write([]byte("quick"))
		a.Close()
		buf := make([]byte, 32)
		n, err := b.Read(buf)
		if got := time.Since(start); string(buf[:n]) != "slow quick" || err != nil || got != time.Second {
			t.Errorf("Read = %q, %v after %v; want both, none before the other, after 1s", buf[:n], err, got)
		}
		if n, err := b.Read(buf); n != 0 || err != io.EOF {
			t.Errorf("Read behind the end = %d, %v, want EOF", n, err)
		}
	})
}

func TestDelayHoldsEachDirectionForItself(t *testing.T) {
	bubble(t, func(t *testing.T, a, b *memnet.Conn) {
		a.Delay(time.Second)
		start := time.Now()
		buf := make([]byte, 8)
		a.Write([]byte("ping"))
		io.ReadFull(b, buf[:4])
		b.Write([]byte("pong"))
		if _, err := io.ReadFull(a, buf[:4]); err != nil || time.Since(start) != 2*time.Second {
			t.Errorf("there and back: %v after %v, want 2s", err, time.Since(start))
		}
	})
}

func TestNewsOfTheEndIsDelayed(t *testing.T) {
	bubble(t, func(t *testing.T, a, b *memnet.Conn) {
		a.Delay(time.Second)
		a.Close()
		if _, err := b.Write([]byte("x")); err != nil {
			t.Errorf("Write before the news has arrived: %v", err)
		}
		start := time.Now()
		if _, err := b.Read(make([]byte, 1)); err != io.EOF || time.Since(start) != time.Second {
			t.Errorf("Read: %v after %v, want EOF after 1s", err, time.Since(start))
		}
		synctest.Wait()
		if _, err := b.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("Write: %v, want EPIPE", err)
		}
	})
}

func TestResumeLetsTheDelayedArrive(t *testing.T) {
	bubble(t, func(t *testing.T, a, b *memnet.Conn) {
		a.Delay(time.Hour)
		a.Write([]byte("before "))
		a.Stall()
		a.Write([]byte("during"))
		time.Sleep(2 * time.Hour)
		b.SetReadDeadline(time.Now().Add(time.Second))
		buf := make([]byte, 32)
		n, err := b.Read(buf)
		wantTimeout(t, n, err)
		b.SetReadDeadline(time.Time{})
		a.Resume()
		if n, err := b.Read(buf); string(buf[:n]) != "before during" || err != nil {
			t.Errorf("Read = %q, %v", buf[:n], err)
		}
	})
}

func TestCutLosesWhatIsDelayed(t *testing.T) {
	bubble(t, func(t *testing.T, a, b *memnet.Conn) {
		a.Write([]byte("kept"))
		a.Delay(time.Second)
		a.Write([]byte("lost"))
		a.Cut()
		time.Sleep(time.Minute)
		got, err := io.ReadAll(b)
		if string(got) != "kept" || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("ReadAll = %q, %v", got, err)
		}
	})
}

func TestSlowReadsTakeTheirTime(t *testing.T) {
	bubble(t, func(t *testing.T, a, b *memnet.Conn) {
		b.SlowReads(1000)
		start := time.Now()
		a.Write(make([]byte, 5000))
		n, err := io.ReadFull(b, make([]byte, 5000))
		if got := time.Since(start); n != 5000 || err != nil || got != 4950*time.Millisecond {
			t.Errorf("%d bytes, %v after %v; want 5000 after 4.95s: the first piece comes at once", n, err, got)
		}
		a.Write(make([]byte, 5000))
		b.SlowReads(0)
		start = time.Now()
		if n, err := io.ReadFull(b, make([]byte, 5000)); n != 5000 || err != nil || time.Since(start) != 0 {
			t.Errorf("without a limit: %d bytes, %v after %v", n, err, time.Since(start))
		}
	})
}

func TestSlowReadsEndWithTheDeadline(t *testing.T) {
	bubble(t, func(t *testing.T, a, b *memnet.Conn) {
		b.SlowReads(1)
		a.Write([]byte("12"))
		b.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		if n, err := b.Read(make([]byte, 8)); n != 1 || err != nil {
			t.Errorf("first Read = %d, %v", n, err)
		}
		n, err := b.Read(make([]byte, 8))
		wantTimeout(t, n, err)
	})
}

func TestVanishedEndIsMissedByNobody(t *testing.T) {
	bubble(t, func(t *testing.T, a, b *memnet.Conn) {
		b.Write([]byte("arrived"))
		a.Vanish()
		got, err := io.ReadAll(a)
		if string(got) != "arrived" || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("ReadAll = %q, %v", got, err)
		}
		if _, err := a.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("Write of the end that vanished: %v", err)
		}
		a.Close()
		if n, err := b.Write([]byte("anybody?")); n != 8 || err != nil {
			t.Errorf("Write of the other end = %d, %v", n, err)
		}
		b.SetReadDeadline(time.Now().Add(time.Hour))
		n, err := b.Read(make([]byte, 8))
		wantTimeout(t, n, err)
	})
}

func TestPeerIsTheOtherEnd(t *testing.T) {
	a, b := memnet.Pipe()
	if a.Peer() != b || b.Peer() != a {
		t.Error("Peer of one end is not the other")
	}
}
