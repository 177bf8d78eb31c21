package socket_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// scripted is a transport whose connections are written down: what the server answers to
// an offer, and what comes over each. As over long polling, what has come is still received
// when a connection was aborted.
type scripted struct {
	script []scriptedConn
	refuse func(p []byte) error // of Send; nil: takes everything

	mu     sync.Mutex // guards the fields below
	offers []string
	sent   []string
	come   []frame
	done   chan struct{} // closed at the end of the connection
	err    error         // how that has ended
}

type scriptedConn struct {
	answer string
	come   []frame
}

type frame struct {
	data   string
	binary bool
}

func (s *scripted) Connect(context.Context) error { return errors.New("not used") }

func (s *scripted) ConnectSession(_ context.Context, offer string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.offers)
	if n == len(s.script) {
		return "", net.ErrClosed
	}
	s.offers = append(s.offers, offer)
	s.come, s.done, s.err = s.script[n].come, make(chan struct{}), net.ErrClosed
	return s.script[n].answer, nil
}

func (s *scripted) Receive() ([]byte, error) {
	p, _, err := s.ReceiveMessage()
	return p, err
}

func (s *scripted) ReceiveMessage() ([]byte, bool, error) {
	s.mu.Lock()
	done := s.done
	if len(s.come) > 0 {
		f := s.come[0]
		s.come = s.come[1:]
		s.mu.Unlock()
		return []byte(f.data), f.binary, nil
	}
	s.mu.Unlock()
	<-done
	s.mu.Lock()
	defer s.mu.Unlock()
	return nil, false, s.err
}

func (s *scripted) Send(p []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.done:
		return net.ErrClosed
	default:
	}
	if s.refuse != nil {
		if err := s.refuse(p); err != nil {
			return err
		}
	}
	s.sent = append(s.sent, string(p))
	return nil
}

func (s *scripted) SendBinary(p []byte) error { return s.Send(p) }

func (s *scripted) Abort() { s.endWith(net.ErrClosed) }

// endWith ends the connection.
func (s *scripted) endWith(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.done:
	default:
		s.err = err
		close(s.done)
	}
}

func (s *scripted) Close() error {
	s.Abort()
	return nil
}

// sessionLine is what a server answers about the nth session, which has a message last if
// that is not negative.
func sessionLine(n, last int) string {
	line := fmt.Sprintf("id=%s; token=%s; window=60", fmt.Sprint(n)+strings.Repeat("A", 21), strings.Repeat("A", 32))
	if last >= 0 {
		line += fmt.Sprint("; last=", last)
	}
	return line
}

// handledOf is what the handlers of a client were called for.
type handledOf struct {
	mu   sync.Mutex
	all  []string
	lost []*socket.SessionError
}

func listenHandled(c *socket.Client) *handledOf {
	var h handledOf
	add := func(s string) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.all = append(h.all, s)
	}
	socket.On(c, "n", func(i int) { add(fmt.Sprint(i)) })
	socket.On(c, socket.EventMessage, func(p []byte) { add(fmt.Sprintf("binary %q", p)) })
	c.On(socket.EventError, func(data interface{}) {
		var lost *socket.SessionError
		if errors.As(data.(error), &lost) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.lost = append(h.lost, lost)
		}
	})
	return &h
}

func (h *handledOf) want(t *testing.T, want ...string) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if fmt.Sprint(h.all) != fmt.Sprint(want) {
		t.Errorf("handled %q, want %q", h.all, want)
	}
}

// A server that would go on, and cannot be given what it needs, sends again what the client
// does not have, and is not told that it was handled.
func TestNothingIsHandledOfASessionThatTheClientCannotGoOnWith(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := &scripted{script: []scriptedConn{
			{sessionLine(1, -1), []frame{{`{"seq":1,"event":"n","data":1}`, false}}},
			{sessionLine(1, 7), []frame{{"\x02\x00abcd", true}, {`{"seq":3,"event":"n","data":3}`, false}}},
			{sessionLine(2, -1), []frame{{"\x01\x00efgh", true}, {`{"seq":2,"event":"n","data":4}`, false}}},
		}}
		c := socket.NewClient(tr, socket.WithReconnectAttempts(0))
		defer c.Close()
		h := listenHandled(c)
		if err := c.Connect(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		tr.Abort()
		time.Sleep(time.Minute)
		synctest.Wait()
		h.want(t, "1", `binary "efgh"`, "4")
		if len(h.lost) != 1 {
			t.Errorf("%d ends of sessions were told, want 1", len(h.lost))
		}
		if want := "new"; len(tr.offers) != 3 || tr.offers[2] != want {
			t.Errorf("offered %q, want %q at last", tr.offers, want)
		}
	})
}

// What one transport has taken another one may refuse, when it is to be sent again.
func TestASessionEndsWithAnErrorWhoseMessagesAreRefusedByTheNextTransport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tooMuch := errors.New("too much for this transport")
		tr := &scripted{script: []scriptedConn{
			{sessionLine(1, -1), nil},
			{sessionLine(1, 0), []frame{{"\x01\x00abcd", true}}},
			{sessionLine(2, -1), []frame{{"\x01\x00efgh", true}}},
		}}
		c := socket.NewClient(tr, socket.WithReconnectAttempts(0))
		defer c.Close()
		h := listenHandled(c)
		if err := c.Connect(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for i := range 3 {
			if err := c.Send("n", i); err != nil {
				t.Errorf("Send = %v", err)
			}
		}
		tr.mu.Lock()
		tr.refuse = func(p []byte) error {
			if strings.Contains(string(p), `"data":1}`) {
				return tooMuch
			}
			return nil
		}
		tr.mu.Unlock()
		tr.Abort()
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(h.lost) != 1 || len(h.lost[0].Unknown) != 3 || !errors.Is(h.lost[0], tooMuch) {
			t.Fatalf("told %v, want three messages and the reason", h.lost)
		}
		if want := "new"; len(tr.offers) != 3 || tr.offers[2] != want {
			t.Errorf("offered %q, want %q at last", tr.offers, want)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		if n := len(h.all); n == 0 || h.all[n-1] != `binary "efgh"` {
			t.Errorf("handled %q, want what the next session brings at last", h.all)
		}
	})
}

// A transport may find that it does not take a message after the session has ended, which
// has told what becomes of it.
func TestAMessageThatIsRefusedWhenItsSessionHasEndedIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := errors.New("it stayed full")
		tr := &scripted{script: []scriptedConn{{sessionLine(1, -1), nil}}}
		held := make(chan struct{})
		tr.refuse = func(p []byte) error {
			if !strings.Contains(string(p), `"n"`) {
				return nil
			}
			tr.mu.Unlock() // others go on
			defer tr.mu.Lock()
			<-held
			return full
		}
		c := socket.NewClient(tr, socket.WithReconnectAttempts(0))
		defer c.Close()
		h := listenHandled(c)
		if err := c.Connect(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		sent := make(chan error, 1)
		go func() { sent <- c.Send("n", 1) }()
		synctest.Wait()
		tr.endWith(&transport.CloseError{Code: 4500, Reason: "stay away"})
		synctest.Wait()
		close(held)
		if err := <-sent; !errors.Is(err, full) {
			t.Errorf("Send = %v, want %v", err, full)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		if len(h.lost) != 1 || len(h.lost[0].Unknown) != 1 {
			t.Errorf("told %v, want one message", h.lost)
		}
	})
}
