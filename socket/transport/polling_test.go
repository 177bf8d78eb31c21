package transport_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/pollhttp"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

func TestLongPollingMessageForParkedPollIsAnsweredAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := servePolling(t, pollhttp.Config{}, nil)
		c := s.connected()
		synctest.Wait()
		time.Sleep(10 * time.Second)
		began := time.Now()
		s.peer(0).send(t, "now")
		got, err := c.Receive()
		if string(got) != "now" || err != nil {
			t.Errorf("Receive() = %q, %v", got, err)
		}
		if d := time.Since(began); d != 0 {
			t.Errorf("the message took %v", d)
		}
	})
}

func TestLongPollingExactlyOnceInOrderWithLostRequestsAndAnswers(t *testing.T) {
	for _, every := range []int{2, 3, 5} {
		for _, f := range []fault{lostRequest, lostAnswer, unavailable} {
			t.Run(fmt.Sprintf("every=%d/fault=%d", every, f), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					const n = 200
					s := servePolling(t, pollhttp.Config{}, func(p *peer, m pollhttp.Message) {
						p.send(t, "echo "+string(m.Data))
					})
					c := s.connected()
					s.setFault(func(n int, r *http.Request) fault {
						if n%every == 0 {
							return f
						}
						return fine
					})
					go func() {
						for i := range n {
							if err := c.Send(fmt.Appendf(nil, "message %d", i)); err != nil {
								t.Errorf("Send: %v", err)
							}
							if i%7 == 0 {
								time.Sleep(100 * time.Millisecond)
							}
						}
					}()
					for i := range n {
						got, err := c.Receive()
						if want := fmt.Sprintf("echo message %d", i); string(got) != want || err != nil {
							t.Fatalf("Receive() = %q, %v, want %q", got, err, want)
						}
					}
					if got := s.peer(0).texts(); len(got) != n {
						t.Errorf("the server got %d messages, want %d", len(got), n)
					}
				})
			})
		}
	}
}

func TestLongPollingCloseByServerTellsCodeAndReasonAfterWhatIsQueued(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := servePolling(t, pollhttp.Config{}, nil)
		c := s.connected()
		s.peer(0).send(t, "one")
		s.peer(0).send(t, "two")
		s.peer(0).Close(1001, "maintenance")
		for _, want := range []string{"one", "two"} {
			if got, err := c.Receive(); string(got) != want || err != nil {
				t.Errorf("Receive() = %q, %v, want %q", got, err, want)
			}
		}
		_, err := c.Receive()
		var closed *transport.CloseError
		if !errors.As(err, &closed) || closed.Code != transport.StatusGoingAway || closed.Reason != "maintenance" {
			t.Errorf("Receive() = %v, want the close with its code and reason", err)
		}
		if err := c.Send([]byte("late")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Send after the end = %v, want net.ErrClosed", err)
		}
	})
}

func TestLongPollingCloseFlushesWhatIsQueued(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := servePolling(t, pollhttp.Config{}, nil)
		c := s.connected()
		batch := [][]byte{[]byte("a"), []byte("b"), []byte("c")}
		if err := c.SendBatch(batch); err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
		synctest.Wait()
		p := s.peer(0)
		if got := p.texts(); !slices.Equal(got, []string{"a", "b", "c"}) {
			t.Errorf("the server got %q", got)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		var closed *pollhttp.CloseError
		if len(p.closed) != 1 || !errors.As(p.closed[0], &closed) || !closed.Remote {
			t.Errorf("Closed was called with %v, want one close by the client", p.closed)
		}
		if _, err := c.Receive(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Receive after Close = %v, want net.ErrClosed", err)
		}
	})
}

func TestLongPollingConnectsAgainAfterTheSessionIsGone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := servePolling(t, pollhttp.Config{}, nil)
		c := s.connected()
		first := c.SocketID()
		s.peer(0).CloseNow()
		if _, err := c.Receive(); err == nil {
			t.Fatal("Receive() = nil after the session is gone")
		}
		if err := c.Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		if c.SocketID() == first || c.SocketID() != s.peer(1).ID() {
			t.Errorf("the second session has the id %q, the first had %q", c.SocketID(), first)
		}
		s.peer(1).send(t, "again")
		if got, err := c.Receive(); string(got) != "again" || err != nil {
			t.Errorf("Receive() = %q, %v", got, err)
		}
	})
}
