//go:build linux

package netpoll_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/netpoll"
)

// detached returns both ends of a connection, the first detached.
func detached(t *testing.T) (a net.Conn, raw syscall.RawConn, b net.Conn) {
	t.Helper()
	nc, b, _ := tcp(t)
	return detach(t, nc.(*net.TCPConn), b)
}

func detach(t *testing.T, nc interface {
	net.Conn
	syscall.Conn
}, b net.Conn) (net.Conn, syscall.RawConn, net.Conn) {
	t.Helper()
	raw, err := nc.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	a, raw, err := netpoll.Detach(nc, raw)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	if _, err := nc.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Fatalf("the connection that was detached can be used still: %v", err)
	}
	return a, raw, b
}

func TestDetachedConnectionKeepsItsAddresses(t *testing.T) {
	a, _, b := detached(t)
	if a.LocalAddr().String() != b.RemoteAddr().String() || a.RemoteAddr().String() != b.LocalAddr().String() || a.LocalAddr().Network() != "tcp" {
		t.Errorf("%v to %v, and the other end is %v to %v", a.LocalAddr(), a.RemoteAddr(), b.LocalAddr(), b.RemoteAddr())
	}
	a.Close()
	if a.RemoteAddr().String() != b.LocalAddr().String() {
		t.Error("a closed connection does not know its peer")
	}
}

func TestDetachedUnixConnectionWorks(t *testing.T) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	b, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	nc, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	a, _, _ := detach(t, nc.(*net.UnixConn), b)
	if got := a.LocalAddr(); got.Network() != "unix" || got.String() != l.Addr().String() {
		t.Errorf("LocalAddr() = %v", got)
	}
	a.Write([]byte("hello"))
	got := make([]byte, 5)
	if _, err := io.ReadFull(b, got); err != nil || string(got) != "hello" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestDetachedConnectionMovesMoreThanTheKernelHolds(t *testing.T) {
	a, _, b := detached(t)
	sent := bytes.Repeat([]byte("0123456789"), 2<<20)
	var done sync.WaitGroup
	done.Go(func() {
		if n, err := a.Write(sent); n != len(sent) || err != nil {
			t.Errorf("Write = %d, %v", n, err)
		}
		if err := a.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Error(err)
		}
	})
	got, err := io.ReadAll(b)
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d bytes came of %d: %v", len(got), len(sent), err)
	}
	done.Wait()
	done.Go(func() { b.Write(sent); b.Close() })
	if got, err = io.ReadAll(a); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d bytes came back of %d: %v", len(got), len(sent), err)
	}
	done.Wait()
}

func TestDetachedConnectionHasDeadlines(t *testing.T) {
	a, _, _ := detached(t)
	if err := a.SetDeadline(time.Time{}); err != nil {
		t.Error(err)
	}
	a.SetReadDeadline(time.Now().Add(time.Millisecond))
	if _, err := a.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Read = %v", err)
	}
	a.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
	var err error
	for err == nil {
		_, err = a.Write(make([]byte, 1<<20))
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Write = %v", err)
	}
	a.SetDeadline(time.Time{})
	if raw := a.SetReadDeadline(time.Time{}); raw != nil {
		t.Error(raw)
	}
}

// What waits when it is closed fails, and what comes later too. The peer learns
// of it although calls were under way.
func TestDetachedConnectionIsClosedOnceForAll(t *testing.T) {
	for range 100 {
		a, raw, b := detached(t)
		var calls sync.WaitGroup
		calls.Go(func() {
			if _, err := a.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Read = %v", err)
			}
		})
		calls.Go(func() {
			for {
				if err := raw.Control(func(fd uintptr) { syscall.Write(int(fd), []byte("x")) }); err != nil {
					if !errors.Is(err, net.ErrClosed) {
						t.Errorf("Control = %v", err)
					}
					return
				}
			}
		})
		calls.Go(func() { a.Close() })
		calls.Go(func() { a.Close() })
		if _, err := io.Copy(io.Discard, b); err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Error(err)
		}
		calls.Wait()
		for _, err := range []error{a.Close(), a.SetReadDeadline(time.Now()), raw.Read(func(uintptr) bool { return true })} {
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("after Close: %v", err)
			}
		}
	}
}

// A call that panics lets go of the descriptor.
func TestDetachedConnectionSurvivesPanicInControl(t *testing.T) {
	a, raw, b := detached(t)
	func() {
		defer func() { recover() }()
		raw.Control(func(uintptr) { panic("x") })
	}()
	a.Close()
	if _, err := b.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("Read = %v after Close", err)
	}
}

func TestDetachedConnectionWaitsForItsDescriptor(t *testing.T) {
	_, raw, b := detached(t)
	var got []byte
	var done sync.WaitGroup
	done.Go(func() {
		err := raw.Read(func(fd uintptr) bool {
			var p [8]byte
			n, err := syscall.Read(int(fd), p[:])
			got = append(got, p[:max(n, 0)]...)
			return err != syscall.EAGAIN
		})
		if err != nil {
			t.Error(err)
		}
	})
	b.Write([]byte("hello"))
	done.Wait()
	if string(got) != "hello" {
		t.Errorf("%q came", got)
	}
	if err := raw.Write(func(uintptr) bool { return true }); err != nil {
		t.Error(err)
	}
}
