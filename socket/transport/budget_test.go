package transport

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
)

// acceptWith returns a server that hands out the connections that it accepts.
func acceptWith(t *testing.T, opts *AcceptOptions) (url string, conns <-chan *Conn) {
	t.Helper()
	accepted := make(chan *Conn, 16)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := Accept(w, r, opts); err == nil {
			accepted <- c
		}
	}))
	t.Cleanup(s.Close)
	return strings.Replace(s.URL, "http", "ws", 1), accepted
}

func dialFor(t *testing.T, url string) *Conn {
	t.Helper()
	c, err := Dial(t.Context(), url, &DialOptions{Limits: Limits{MaxControlFrames: -1}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return c
}

// closedBy returns the status code that the peer closes c with.
func closedBy(t *testing.T, c *Conn) StatusCode {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		_, _, err := c.Read(ctx)
		var ce *CloseError
		switch {
		case errors.As(err, &ce):
			return ce.Code
		case err != nil:
			t.Fatal(err)
		}
	}
}

func TestUnfinishedMessagesShareOneBudget(t *testing.T) {
	budget := NewBudget(100 << 10)
	url, conns := acceptWith(t, &AcceptOptions{Limits: Limits{MemoryBudget: budget}})
	var refused, waiting int
	for range 4 {
		c := dialFor(t, url)
		server := <-conns
		served := make(chan error, 1)
		go func() {
			_, _, err := server.Read(context.Background())
			served <- err
		}()
		// 40 KiB of a message of 60 KiB.
		h := wsproto.Header{Fin: true, Opcode: wsproto.OpBinary, Masked: true, Length: 60 << 10}
		if _, err := c.nc.Write(append(wsproto.AppendHeader(nil, h), make([]byte, 40<<10)...)); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-served:
			var le *LimitError
			if !errors.As(err, &le) || le.Option != "MemoryBudget" {
				t.Fatalf("Read = %v, want a LimitError that names MemoryBudget", err)
			}
			if code := closedBy(t, c); code != StatusTryAgainLater {
				t.Errorf("closed with %d, want %d", code, StatusTryAgainLater)
			}
			refused++
		case <-time.After(200 * time.Millisecond):
			waiting++
		}
	}
	if refused == 0 || waiting == 0 {
		t.Errorf("%d connections refused and %d left alone, want some of both", refused, waiting)
	}
	if used := budget.Used(); used > budget.Max() {
		t.Errorf("%d bytes used of %d", used, budget.Max())
	}
}

func TestBudgetIsGivenBack(t *testing.T) {
	budget := NewBudget(64 << 20)
	url, conns := acceptWith(t, &AcceptOptions{Limits: Limits{MemoryBudget: budget, MaxQueueBytes: 8 << 20, MaxQueueMessages: -1}})
	c := dialFor(t, url)
	server := <-conns
	ended := make(chan error, 1)
	server.Start(endOnly{ended})
	// A peer that does not read fills the kernel's buffers, and then the queue.
	message := make([]byte, 64<<10)
	for {
		if err := server.Queue(MessageBinary, message); errors.Is(err, ErrQueueFull) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if budget.Used() < 4<<20 {
		t.Errorf("Used = %d with a full queue of 8 MiB", budget.Used())
	}
	c.CloseNow()
	<-ended
	if used := budget.Used(); used != 0 {
		t.Errorf("Used = %d after the end, want 0", used)
	}
}

// endOnly reports the end of a connection.
type endOnly struct{ ended chan error }

func (endOnly) OnMessage(*Conn, MessageType, []byte) {}

func (h endOnly) OnClose(_ *Conn, err error) { h.ended <- err }

func TestControlFramesWithoutMeasureAreAbuse(t *testing.T) {
	url, conns := acceptWith(t, nil)
	for _, op := range []wsproto.Opcode{wsproto.OpPing, wsproto.OpPong} {
		c := dialFor(t, url)
		server := <-conns
		ended := make(chan error, 1)
		server.Start(endOnly{ended})
		frame := wsproto.AppendFrame(nil, wsproto.Header{Fin: true, Opcode: op, Masked: true}, []byte("x"))
		go func() {
			for range 5000 {
				if _, err := c.nc.Write(frame); err != nil {
					return
				}
			}
		}()
		var le *LimitError
		if err := <-ended; !errors.As(err, &le) || le.Code != StatusPolicyViolation || le.Option != "MaxControlFrames" {
			t.Errorf("opcode %d: ended with %v, want 1008 that names MaxControlFrames", op, err)
		}
		if code := closedBy(t, c); code != StatusPolicyViolation {
			t.Errorf("opcode %d: the peer saw close code %d, want 1008", op, code)
		}
	}
}

func TestRefusedDialTellsTheServersReason(t *testing.T) {
	url, _ := acceptWith(t, nil)
	_, err := Dial(t.Context(), url, &DialOptions{Header: http.Header{"Origin": {"https://elsewhere.example"}}})
	var he *HandshakeError
	if !errors.As(err, &he) || he.Status != http.StatusForbidden || !strings.Contains(he.Reason, "Origin") {
		t.Errorf("Dial = %v, want the reason of the status 403", err)
	}
}

func TestWithMaxMessageSizeBoundsWhatIsReceived(t *testing.T) {
	url, conns := acceptWith(t, nil)
	for _, tt := range []struct{ limit, size, code int }{{0, 1 << 20, 0}, {100, 100, 0}, {100, 101, 1009}, {2 << 20, 2 << 20, 0}} {
		client := NewWebSocketTransport(url, WithMaxMessageSize(tt.limit))
		if err := client.Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		server := <-conns
		go server.Write(t.Context(), MessageText, make([]byte, tt.size))
		p, err := client.Receive()
		switch {
		case tt.code == 0 && (err != nil || len(p) != tt.size):
			t.Errorf("limit %d: Receive = %d bytes, %v, want %d", tt.limit, len(p), err, tt.size)
		case tt.code != 0 && CloseStatus(err) != StatusCode(tt.code):
			t.Errorf("limit %d: Receive = %v, want code %d", tt.limit, err, tt.code)
		}
		server.CloseNow()
		client.Close()
	}
}
