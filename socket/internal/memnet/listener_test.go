package memnet_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
)

var (
	_ net.Listener = (*memnet.Listener)(nil)
	_ net.Conn     = (*memnet.Conn)(nil)
)

func TestAddresses(t *testing.T) {
	l := memnet.Listen("server:80")
	defer l.Close()
	a, _ := l.Dial(t.Context())
	b, _ := l.Accept()
	if a.RemoteAddr() != b.LocalAddr() || a.LocalAddr() != b.RemoteAddr() || b.LocalAddr() != l.Addr() {
		t.Errorf("addresses: %v-%v, %v-%v, listener %v", a.LocalAddr(), a.RemoteAddr(), b.LocalAddr(), b.RemoteAddr(), l.Addr())
	}
	for _, addr := range []net.Addr{a.LocalAddr(), a.RemoteAddr()} {
		if _, _, err := net.SplitHostPort(addr.String()); err != nil || addr.Network() != "mem" {
			t.Errorf("%s %s: %v", addr.Network(), addr, err)
		}
	}
	second, _ := l.Dial(t.Context())
	if second.LocalAddr() == a.LocalAddr() {
		t.Errorf("two connections come from %v", a.LocalAddr())
	}
}

func TestDialPairsInOrder(t *testing.T) {
	l := memnet.Listen("server:80")
	defer l.Close()
	for i := range memnet.Backlog {
		c, err := l.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "%d\n", i)
	}
	for i := range memnet.Backlog {
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if line, _ := bufio.NewReader(c).ReadString('\n'); line != fmt.Sprintln(i) {
			t.Fatalf("connection %d says %q", i, line)
		}
	}
}

func TestDialWaitsForRoomInTheBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memnet.Listen("server:80")
		for range memnet.Backlog {
			l.Dial(t.Context())
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		if _, err := l.Dial(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Minute {
			t.Errorf("Dial: %v after %v, want the context's end after 1m", err, time.Since(start))
		}
		time.AfterFunc(time.Second, func() { l.Accept() })
		if _, err := l.Dial(t.Context()); err != nil {
			t.Errorf("Dial after Accept made room: %v", err)
		}
		time.AfterFunc(time.Second, func() { l.Close() })
		if _, err := l.Dial(t.Context()); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("Dial while the listener closes: %v, want ECONNREFUSED", err)
		}
	})
}

func TestDialWithDoneContext(t *testing.T) {
	l := memnet.Listen("server:80")
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c, err := l.DialContext(ctx, "tcp", "anything:1")
	if c != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("DialContext = %v, %v; want nil and context.Canceled", c, err)
	}
}

func TestListenerClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memnet.Listen("server:80")
		accepted, _ := l.Dial(t.Context())
		l.Accept()
		waiting, _ := l.Dial(t.Context())
		l.Accept() // now the backlog is empty
		waiting2, _ := l.Dial(t.Context())
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("second Close: %v, want net.ErrClosed", err)
		}
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept: %v, want net.ErrClosed", err)
		}
		if _, err := l.Dial(t.Context()); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("Dial: %v, want ECONNREFUSED", err)
		}
		if _, err := waiting2.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("a connection nobody accepted: %v, want ECONNRESET", err)
		}
		for _, c := range []*memnet.Conn{accepted, waiting} {
			if _, err := c.Write([]byte("x")); err != nil {
				t.Errorf("an accepted connection lives on: %v", err)
			}
		}
	})
}

func TestListenerCloseUnblocksAccept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memnet.Listen("server:80")
		time.AfterFunc(time.Second, func() { l.Close() })
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept: %v, want net.ErrClosed", err)
		}
	})
}

func TestListenerBuffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memnet.Listen("server:80")
		defer l.Close()
		l.Buffer = 3
		c, _ := l.Dial(t.Context())
		c.SetWriteDeadline(time.Now().Add(time.Millisecond))
		if n, err := c.Write([]byte("12345")); n != 3 || !isTimeout(err) {
			t.Errorf("Write = %d, %v; want 3 and a timeout", n, err)
		}
	})
}

// net/http on both ends, in a bubble, with a server timeout in virtual time.
func TestServesHTTPInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memnet.Listen("server:80")
		srv := &http.Server{
			ReadTimeout: 10 * time.Second,
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				time.Sleep(5 * time.Second)
				io.Copy(w, r.Body)
			}),
		}
		var wg sync.WaitGroup
		wg.Go(func() { srv.Serve(l) })
		tr := &http.Transport{DialContext: l.DialContext}
		client := &http.Client{Transport: tr}
		for range 3 {
			resp, err := client.Post("http://server/", "text/plain", http.NoBody)
			if err != nil || resp.StatusCode != 200 {
				t.Fatalf("Post: %v, %v", resp, err)
			}
			resp.Body.Close()
		}
		slow, _ := l.Dial(t.Context())
		start := time.Now()
		io.WriteString(slow, "GET / HTTP/1.1\r\n")
		io.Copy(io.Discard, slow)
		if got := time.Since(start); got != 10*time.Second {
			t.Errorf("the server gave up a slow request after %v, want 10s", got)
		}
		slow.Close()
		tr.CloseIdleConnections()
		srv.Close()
		wg.Wait()
	})
}
