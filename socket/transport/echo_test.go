package transport_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/socket/transport"
)

type echo struct{ t *testing.T }

func (e echo) OnMessage(c *transport.Conn, typ transport.MessageType, p []byte) {
	if err := c.Write(context.Background(), typ, p); err != nil {
		e.t.Error(err)
	}
}
func (e echo) OnClose(c *transport.Conn, err error) { e.t.Log("closed:", err) }

func testEcho(t *testing.T, useTLS, compress bool) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := transport.Accept(w, r, &transport.AcceptOptions{Compression: transport.Compressed(compress)})
		if err != nil {
			t.Error(err)
			return
		}
		c.Start(echo{t})
	})
	var s *httptest.Server
	opts := &transport.DialOptions{Compression: transport.Compressed(compress)}
	if useTLS {
		s = httptest.NewTLSServer(h)
		opts.TLSConfig = s.Client().Transport.(*http.Transport).TLSClientConfig
	} else {
		s = httptest.NewServer(h)
	}
	defer s.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, err := transport.Dial(ctx, strings.Replace(s.URL, "http", "ws", 1), opts)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < 200; i++ {
		msg := strings.Repeat("hello ", i*i%10000)
		if err := c.Write(ctx, transport.MessageText, []byte(msg)); err != nil {
			t.Fatal(err)
		}
		_, got, err := c.Read(ctx)
		if err != nil || string(got) != msg {
			t.Fatalf("%d: got %d bytes, %v", i, len(got), err)
		}
	}
	go func() {
		for i := 0; i < 20000; i++ {
			if err := c.Write(ctx, transport.MessageText, []byte("burst message")); err != nil {
				t.Error(err)
			}
		}
	}()
	for i := 0; i < 20000; i++ {
		if _, _, err := c.Read(ctx); err != nil {
			t.Fatal(err)
		}
	}
	short, cancel2 := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel2()
	if _, _, err := c.Read(short); err != context.DeadlineExceeded {
		t.Fatal(err)
	}
	if err := c.Write(ctx, 1, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, p, err := c.Read(ctx); err != nil || string(p) != "x" {
		t.Fatal(err)
	}
	if err := c.Close(transport.StatusNormalClosure, "bye"); err != nil {
		t.Fatal(err)
	}
	_, _, err = c.Read(ctx)
	t.Log(err)
}

func TestEcho(t *testing.T)        { testEcho(t, false, false) }
func TestEchoTLS(t *testing.T)     { testEcho(t, true, false) }
func TestEchoDeflate(t *testing.T) { testEcho(t, false, true) }
