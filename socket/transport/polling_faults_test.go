package transport_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
	"github.com/kleeedolinux/socket.go/socket/internal/poll"
	"github.com/kleeedolinux/socket.go/socket/internal/pollhttp"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// Every connection is cut behind so many bytes, in one direction or the other, at
// every offset of a short conversation.
func TestLongPollingExactlyOnceInOrderWithConnectionsCutAtEveryByte(t *testing.T) {
	step := 1
	if testing.Short() {
		step = 37
	}
	for _, direction := range []string{"requests", "answers"} {
		t.Run(direction, func(t *testing.T) {
			for offset := 0; offset < 1400; offset += step {
				bubble(t, func(t *testing.T) { cutAt(t, direction == "requests", offset) })
				if t.Failed() {
					t.Fatalf("cut at %d", offset)
				}
			}
		})
	}
}

func cutAt(t *testing.T, requests bool, offset int) {
	s := servePolling(t, pollhttp.Config{}, func(p *peer, m pollhttp.Message) {
		p.send(t, "echo "+string(m.Data))
	})
	// The first connections after the opening are cut; later ones are not.
	var dialled atomic.Int32
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		client, server := memnet.Pipe()
		if err := s.serve(server); err != nil {
			return nil, err
		}
		if dialled.Add(1) <= 3 {
			if requests {
				client.CutAfter(offset)
			} else {
				server.CutAfter(offset)
			}
		}
		return client, nil
	}
	c := transport.NewLongPollingTransport("http://server/socket", transport.WithDialContext(dial))
	defer c.Close()
	for attempt := 1; ; attempt++ {
		err := c.Connect(t.Context())
		if err == nil {
			break
		}
		if attempt > 3 {
			t.Fatal(err)
		}
	}
	const n = 5
	for i := range n {
		if err := c.Send(fmt.Appendf(nil, "%d", i)); err != nil {
			t.Fatal(err)
		}
		got, err := c.Receive()
		if want := fmt.Sprintf("echo %d", i); string(got) != want || err != nil {
			t.Fatalf("Receive() = %q, %v, want %q", got, err, want)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.sessions { // one for each attempt to connect that arrived
		got := strings.Join(p.texts(), " ")
		if p.ID() == c.SocketID() && got != "0 1 2 3 4" || p.ID() != c.SocketID() && got != "" {
			t.Errorf("the server got %q", got)
		}
	}
}

// serve lets the server serve a connection that was not dialled.
func (s *pollServer) serve(c net.Conn) error {
	l := &oneConn{conns: make(chan net.Conn, 1)}
	l.conns <- c
	go s.http.Serve(l)
	return nil
}

// oneConn is a listener with one connection.
type oneConn struct{ conns chan net.Conn }

func (l *oneConn) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	default:
		return nil, net.ErrClosed
	}
}
func (l *oneConn) Close() error   { return nil }
func (l *oneConn) Addr() net.Addr { return memnet.Addr("server:80") }

func TestLongPollingSurvivesAHandlerThatTakesMinutes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := servePolling(t, pollhttp.Config{}, func(p *peer, m pollhttp.Message) {
			if string(m.Data) == "slow" {
				time.Sleep(5 * time.Minute)
			}
			p.send(t, "done "+string(m.Data))
		})
		c := s.connected()
		for _, m := range []string{"slow", "next"} {
			if err := c.Send([]byte(m)); err != nil {
				t.Fatal(err)
			}
		}
		for _, want := range []string{"done slow", "done next"} {
			if got, err := c.Receive(); string(got) != want || err != nil {
				t.Fatalf("Receive() = %q, %v, want %q", got, err, want)
			}
		}
		if got := strings.Join(s.peer(0).texts(), " "); got != "slow next" {
			t.Errorf("the server got %q", got)
		}
	})
}

func TestLongPollingSessionLivesWhileReceiveIsBehindAndTheQueueIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := servePolling(t, pollhttp.Config{}, nil)
		c := s.connected()
		p := s.peer(0)
		sent := 0
		for {
			err := p.Send(poll.Message{Data: fmt.Appendf(nil, "%d", sent)})
			if errors.Is(err, pollhttp.ErrQueueFull) {
				synctest.Wait()
				if err := p.Send(poll.Message{Data: fmt.Appendf(nil, "%d", sent)}); err != nil {
					break // nobody receives
				}
			} else if err != nil {
				t.Fatal(err)
			}
			sent++
		}
		if limit := 1024 + transport.InboxMessages + 64; sent > limit {
			t.Errorf("%d messages were sent that nobody received, want at most %d", sent, limit)
		}
		time.Sleep(10 * time.Minute)
		for i := range sent {
			got, err := c.Receive()
			if want := fmt.Sprint(i); string(got) != want || err != nil {
				t.Fatalf("Receive() = %q, %v, want %q", got, err, want)
			}
		}
		p.send(t, "last")
		if got, err := c.Receive(); string(got) != "last" || err != nil {
			t.Errorf("Receive() = %q, %v", got, err)
		}
	})
}

func TestLongPollingCarriesTextAndBinary(t *testing.T) {
	for _, compress := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			s := servePolling(t, pollhttp.Config{Compression: compress}, func(p *peer, m pollhttp.Message) {
				if err := p.Send(m); err != nil {
					t.Error(err)
				}
			})
			c := s.client()
			if compress {
				c.EnableCompression()
			}
			if err := c.Connect(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, m := range []poll.Message{
				{Data: []byte(`{"event":"chat"}`)},
				{Data: []byte("")},
				{Data: []byte("binary? no")},
				{Data: []byte("a\x1eb")},
				{Data: []byte(strings.Repeat("long text ", 5000))},
				{Binary: true, Data: []byte("")},
				{Binary: true, Data: []byte("\x00\xff\x1e")},
				{Binary: true, Data: make([]byte, 60000)},
			} {
				send := c.Send
				if m.Binary {
					send = c.SendBinary
				}
				data := append([]byte(nil), m.Data...)
				if err := send(data); err != nil {
					t.Fatal(err)
				}
				clear(data) // the caller's again
				got, binary, err := c.ReceiveMessage()
				if string(got) != string(m.Data) || binary != m.Binary || err != nil {
					t.Errorf("ReceiveMessage() = %.50q, %v, %v, want %.50v", got, binary, err, m)
				}
			}
		})
	}
}

func TestLongPollingSendRefusesWhatCannotBeSent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := servePolling(t, pollhttp.Config{Limits: poll.Limits{Message: 1000}}, nil)
		c := s.connected()
		for _, tt := range []struct {
			name string
			data []byte
			want string
		}{
			{"too large for the server", make([]byte, 1001), "transport: poll: message size 1001 exceeds the limit of 1000"},
			{"no UTF-8", []byte("\xff"), "transport: a text message is not valid UTF-8"},
		} {
			if err := c.Send(tt.data); err == nil || err.Error() != tt.want {
				t.Errorf("%s: Send = %v, want %s", tt.name, err, tt.want)
			}
		}
		if err := c.Send([]byte("fine")); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if got := s.peer(0).texts(); len(got) != 1 {
			t.Errorf("the server got %q", got)
		}
	})
}

func TestLongPollingSendWaitsForRoomAndThenSaysSo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		gate := make(chan struct{})
		s := servePolling(t, pollhttp.Config{}, func(p *peer, m pollhttp.Message) { <-gate })
		c := s.connected(transport.WithTimeout(10 * time.Second))
		var batch [][]byte
		for i := range 1024 {
			batch = append(batch, fmt.Appendf(nil, "%d", i))
		}
		if err := c.SendBatch(batch); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		err := c.Send([]byte("one too many"))
		if d := time.Since(began); !errors.Is(err, os.ErrDeadlineExceeded) || d != 10*time.Second {
			t.Errorf("Send = %v after %v", err, d)
		}
		go func() {
			time.Sleep(3 * time.Second)
			close(gate)
		}()
		if err := c.SendBatch([][]byte{[]byte("1024"), []byte("1025")}); err != nil {
			t.Errorf("SendBatch = %v", err)
		}
		if err := c.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
		got := s.peer(0).texts()
		for i := range got {
			if got[i] != fmt.Sprint(i) {
				t.Fatalf("message %d is %q", i, got[i])
			}
		}
		if len(got) != 1026 {
			t.Errorf("the server got %d messages", len(got))
		}
	})
}

func TestLongPollingGivesUpWhenTheServerIsGone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := servePolling(t, pollhttp.Config{}, nil)
		c := s.connected()
		synctest.Wait()
		s.setFault(func(int, *http.Request) fault { return lostRequest })
		s.peer(0).send(t, "wakes the poll")
		if got, err := c.Receive(); err != nil {
			t.Fatalf("Receive() = %q, %v", got, err)
		}
		began := time.Now()
		_, err := c.Receive()
		if d := time.Since(began); err == nil || d != 4*time.Second {
			t.Errorf("Receive() = %v after %v", err, d)
		}
		if again := c.Send([]byte("x")); again == nil || again.Error() != err.Error() {
			t.Errorf("Send = %v", again)
		}
		s.setFault(nil)
		if err := c.Connect(t.Context()); err != nil {
			t.Errorf("Connect = %v", err)
		}
	})
}

func TestLongPollingSaysThatTheSessionIsUnknown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := servePolling(t, pollhttp.Config{}, nil)
		c := s.connected()
		synctest.Wait()
		s.engine = pollhttp.New(pollhttp.Config{Open: func(*pollhttp.Session, *http.Request) (pollhttp.Handler, error) { return nil, nil }})
		if err := c.Send([]byte("x")); err != nil { // queued
			t.Error(err)
		}
		_, err := c.Receive()
		const want = `transport: long polling: the server answered 404 Not Found: "the session is unknown or has expired"`
		if err == nil || err.Error() != want {
			t.Errorf("Receive() = %v, want %s", err, want)
		}
	})
}

func TestLongPollingCloseSaysWhatWasNotDelivered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		gate := make(chan struct{})
		defer close(gate)
		s := servePolling(t, pollhttp.Config{}, func(p *peer, m pollhttp.Message) { <-gate })
		c := s.connected()
		if err := c.SendBatch([][]byte{[]byte("1"), []byte("2")}); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		err := c.Close()
		if d := time.Since(began); err == nil || err.Error() != "transport: long polling: closed with 2 messages undelivered" || d != 5*time.Second {
			t.Errorf("Close() = %v after %v", err, d)
		}
		if err := c.Close(); err != nil {
			t.Errorf("the second Close() = %v", err)
		}
	})
}

func TestLongPollingCloseTellsTheServerAlsoWhenItGivesUpWhatIsQueued(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := servePolling(t, pollhttp.Config{}, func(*peer, pollhttp.Message) { time.Sleep(10 * time.Second) })
		c := s.connected()
		if err := c.Send([]byte("1")); err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err == nil {
			t.Error("Close() = nil, with a message undelivered")
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		p := s.peer(0)
		p.mu.Lock()
		defer p.mu.Unlock()
		var closed *pollhttp.CloseError
		if len(p.closed) != 1 || !errors.As(p.closed[0], &closed) || !closed.Remote {
			t.Errorf("Closed was called with %v behind the handler, want one close by the client", p.closed)
		}
	})
}

func TestLongPollingCloseEndsReceiveAndSend(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := servePolling(t, pollhttp.Config{}, nil)
		c := s.connected()
		received := make(chan error, 1)
		go func() {
			_, err := c.Receive()
			received <- err
		}()
		synctest.Wait()
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if err := <-received; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Receive = %v", err)
		}
		if err := c.Send(nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Send = %v", err)
		}
	})
}

func TestLongPollingConnectInPlaceOfALivingSession(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := servePolling(t, pollhttp.Config{}, nil)
		c := s.connected()
		received := make(chan error, 1)
		go func() {
			_, err := c.Receive()
			received <- err
		}()
		synctest.Wait()
		if err := c.Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-received; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Receive of the first session = %v", err)
		}
		s.peer(1).send(t, "second")
		if got, err := c.Receive(); string(got) != "second" || err != nil {
			t.Errorf("Receive() = %q, %v", got, err)
		}
	})
}

func TestLongPollingPausesOnlyAfterAFailedOrEmptyPoll(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := servePolling(t, pollhttp.Config{Wait: 10 * time.Second}, nil)
		var polls []time.Duration
		began := time.Now()
		s.setFault(func(n int, r *http.Request) fault {
			if r.Method == "GET" {
				polls = append(polls, time.Since(began))
				if len(polls) == 3 {
					return unavailable
				}
			}
			return fine
		})
		c := s.connected(transport.WithPollInterval(3 * time.Second))
		go func() {
			for {
				if _, err := c.Receive(); err != nil {
					return
				}
			}
		}()
		time.Sleep(12 * time.Second) // an empty poll, and the second waits since 13 s
		time.Sleep(2 * time.Second)
		s.peer(0).send(t, "1") // the third comes at once, and fails; the fourth 3 s later
		time.Sleep(5 * time.Second)
		s.peer(0).send(t, "2")
		synctest.Wait()
		want := []time.Duration{0, 13 * time.Second, 14 * time.Second, 17 * time.Second, 19 * time.Second}
		s.mu.Lock()
		defer s.mu.Unlock()
		if fmt.Sprint(polls) != fmt.Sprint(want) {
			t.Errorf("polls at %v, want %v", polls, want)
		}
	})
}

// scripted dials a server that answers opening, polls and POSTs with these bytes.
func scripted(opened, get, post string) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		client, server := memnet.Pipe()
		go func() {
			defer server.Close()
			request := make([]byte, 64<<10)
			for {
				n, err := server.Read(request)
				if err != nil {
					return
				}
				head := string(request[:n])
				answer := get
				switch {
				case strings.HasPrefix(head, "POST") && strings.Contains(head, "seq="):
					answer = post
				case strings.HasPrefix(head, "POST"):
					answer = opened
				case strings.HasPrefix(head, "DELETE") || get == "":
					answer = answerOf(204, "")
				}
				if _, err := server.Write([]byte(answer)); err != nil {
					return
				}
			}
		}()
		return client, nil
	}
}

// A server that breaks the protocol ends the session, with the reason, and never
// takes the client along.
func TestLongPollingServerThatBreaksTheProtocol(t *testing.T) {
	const open = `{"v":1,"id":"a","token":"b","wait":1000,"limit":{"messages":2,"bytes":100,"message":50}}`
	tests := []struct {
		name       string
		get, post  string
		send, want string
	}{
		{name: "no number", get: answerOf(200, "1"), want: "transport: long polling: the answer to a poll has no Socket-Seq"},
		{name: "number zero", get: answerOf(200, "1", "Socket-Seq: 0\r\n"), want: "transport: poll: the number of the first message is out of range"},
		{name: "gap", get: answerOf(200, "1", "Socket-Seq: 5\r\n"), want: "transport: poll: message 5 came where message 1 was due"},
		{name: "no records", get: answerOf(200, "", "Socket-Seq: 1\r\n"), want: "transport: long polling: the answer to a poll: poll: a record is empty"},
		{name: "too large", get: answerOf(200, strings.Repeat("1", 2<<20+1), "Socket-Seq: 1\r\n"), want: "transport: long polling: the answer to a poll: poll: body size 2097153 exceeds the limit of 2097152"},
		{name: "another status", get: answerOf(299, ""), want: "transport: long polling: the server answered 299"},
		{name: "conflict", get: answerOf(409, `{"error":"x"}`), want: `transport: long polling: the server answered 409 Conflict: "x"`},
		{name: "post not taken", send: "1", post: answerOf(200, `{"ack":0}`), want: "transport: long polling: the server did not take the messages of a POST"},
		{name: "post taken twice", send: "1", post: answerOf(200, `{"ack":2}`), want: "transport: poll: message 2 is acknowledged, but 1 is the last that was sent"},
		{name: "post with a page", send: "1", post: answerOf(200, `<h1>`), want: "transport: long polling: the answer is not the protocol's: is there a socket server at the URL?"},
		{name: "post refused", send: "1", post: answerOf(400, `{"error":"a record is empty"}`), want: `transport: long polling: the server answered 400 Bad Request: "a record is empty"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				dial := scripted(answerOf(200, open), tt.get, tt.post)
				c := transport.NewLongPollingTransport("http://server/", transport.WithDialContext(dial))
				defer c.Close()
				if err := c.Connect(t.Context()); err != nil {
					t.Fatal(err)
				}
				if tt.send != "" {
					if err := c.Send([]byte(tt.send)); err != nil {
						t.Fatal(err)
					}
				}
				if _, err := c.Receive(); err == nil || err.Error() != tt.want {
					t.Errorf("Receive() = %v, want %s", err, tt.want)
				}
			})
		})
	}
}

// FuzzLongPollingAnswers gives the client any bytes as the answers of its server.
func FuzzLongPollingAnswers(f *testing.F) {
	open := answerOf(200, `{"v":1,"id":"a","token":"b","wait":1000,"limit":{"messages":2,"bytes":100,"message":50}}`)
	f.Add(open, answerOf(200, "1\x1ebMQ==", "Socket-Seq: 1\r\n"), answerOf(200, `{"ack":1}`))
	f.Add(open, answerOf(410, `{"code":4000,"reason":"x"}`), answerOf(410, `{"code":4000}`))
	f.Add(open, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nSocket-Seq: 1\r\n\r\n1\r\n1\r\n0\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n")
	f.Add(open, answerOf(200, "\x1f\x8b", "Content-Encoding: gzip\r\nSocket-Seq: 1\r\n"), answerOf(500, ""))
	f.Add(answerOf(200, `{"v":1,"token":"b","wait":-1,"limit":{"messages":-1,"bytes":-5}}`), answerOf(204, ""), answerOf(302, "", "Location: /x\r\n"))
	f.Fuzz(func(t *testing.T, opened, get, post string) {
		bubble(t, func(t *testing.T) {
			dial := scripted(opened, get, post)
			c := transport.NewLongPollingTransport("http://server/", transport.WithDialContext(dial))
			if err := c.Connect(t.Context()); err != nil {
				return
			}
			c.Send([]byte("1"))
			go func() {
				time.Sleep(10 * time.Second)
				c.Close()
			}()
			for range 1000 {
				if _, err := c.Receive(); err != nil {
					break
				}
			}
			c.Close()
			if _, err := c.Receive(); err == nil {
				t.Error("Receive after Close = nil")
			}
			time.Sleep(time.Minute)
		})
	})
}

func TestLongPollingReceivesWhatWasQueuedWhenAPostIsToldTheClose(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := servePolling(t, pollhttp.Config{}, func(p *peer, m pollhttp.Message) {
			p.send(t, "last words")
			p.Close(4000, "bye")
		})
		s.setFault(func(n int, r *http.Request) fault {
			if n == 1 || n == 2 && r.Method == "GET" {
				return unavailable // so that the POST is told first
			}
			return fine
		})
		c := s.client()
		if err := c.Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := c.SendBatch([][]byte{[]byte("1"), []byte("2")}); err != nil {
			t.Fatal(err)
		}
		if got, err := c.Receive(); string(got) != "last words" || err != nil {
			t.Errorf("Receive() = %q, %v", got, err)
		}
		var closed *transport.CloseError
		if _, err := c.Receive(); !errors.As(err, &closed) || closed.Code != 4000 || closed.Reason != "bye" {
			t.Errorf("Receive() = %v, want the close with its code and reason", err)
		}
	})
}

func TestLongPollingTimeoutShorterThanTheServersWait(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := servePolling(t, pollhttp.Config{}, nil)
		c := s.connected(transport.WithTimeout(6*time.Second), transport.WithPollInterval(-1))
		time.Sleep(time.Minute)
		s.mu.Lock()
		if s.requests < 12 || s.requests > 14 { // a poll is held for 5 s
			t.Errorf("%d requests in a minute", s.requests)
		}
		s.mu.Unlock()
		s.peer(0).send(t, "alive")
		if got, err := c.Receive(); string(got) != "alive" || err != nil {
			t.Errorf("Receive() = %q, %v", got, err)
		}
	})
}

// A load balancer finds the server of a session by a cookie that it sets itself.
func TestLongPollingKeepsTheCookiesOfLoadBalancers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := servePolling(t, pollhttp.Config{}, nil)
		s.http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Socket-Token") == "" {
				w.Header().Set("Set-Cookie", "SERVERID=two; Path=/; HttpOnly")
			} else if got := r.Header.Get("Cookie"); got != "own=1; SERVERID=two" {
				t.Errorf("%s with the cookies %q", r.Method, got)
			}
			s.ServeHTTP(w, r)
		})
		c := s.connected(transport.WithHeaders(map[string][]string{"Cookie": {"own=1"}}))
		if err := c.Send([]byte("1")); err != nil {
			t.Error(err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}

// A cache, or a server that ignores acknowledgements, answers every poll with the
// same messages at once.
func TestLongPollingDoesNotSpinOnAnswersThatBringNothingNew(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := servePolling(t, pollhttp.Config{}, nil)
		polls := 0
		s.http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == "GET" {
				polls++
				w.Header().Set("Socket-Seq", "1")
				w.Write([]byte("the same"))
				return
			}
			s.ServeHTTP(w, r)
		})
		c := s.connected()
		if got, err := c.Receive(); string(got) != "the same" || err != nil {
			t.Errorf("Receive() = %q, %v", got, err)
		}
		time.Sleep(9500 * time.Millisecond)
		synctest.Wait()
		if polls > 11 {
			t.Errorf("%d polls in 10 seconds", polls)
		}
	})
}
