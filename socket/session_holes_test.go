package socket_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// sessionPeer is a client's end of a session that says whatever a test wants.
type sessionPeer struct {
	*peer
	id, token string
	last      int // number of the last message that the server has; -1: the session is new
}

// offer connects with an offer.
func (e *env) offer(line string) *sessionPeer {
	e.t.Helper()
	p := &sessionPeer{peer: &peer{t: e.t, rawTransport: e.transport()}, last: -1}
	answer, err := p.rawTransport.(socket.SessionTransport).ConnectSession(e.t.Context(), line)
	if err != nil {
		e.t.Fatalf("ConnectSession(%q) = %v", line, err)
	}
	e.t.Cleanup(p.abort)
	for part := range strings.SplitSeq(answer, "; ") {
		name, value, _ := strings.Cut(part, "=")
		switch name {
		case "id":
			p.id = value
		case "token":
			p.token = value
		case "last":
			p.last, _ = strconv.Atoi(value)
		}
	}
	return p
}

// again connects to go on with the session of p, which is lost.
func (p *sessionPeer) again(e *env, last int) *sessionPeer {
	p.abort()
	return e.offer(fmt.Sprintf("id=%s; token=%s; last=%d", p.id, p.token, last))
}

func (p *sessionPeer) abort() { p.rawTransport.(socket.SessionTransport).Abort() }

// sayNumber sends message i of the session, with so many bytes of data.
func (p *sessionPeer) sayNumber(i, size int) {
	p.say(fmt.Sprintf(`{"seq":%d,"event":"s","data":"%d:%s"}`, i, i, strings.Repeat("x", size)))
}

// A client that connects over and over while its handler is busy leaves no more behind
// that handler than one that stays: each connection's reader waits for room.
func TestThreatE10_SessionResumedOverAndOverLeavesNoMoreThanTheBound(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve()
		busy := make(chan struct{})
		var handled []int
		listenServer(server, func(_ socket.Socket, i int) {
			<-busy
			handled = append(handled, i)
		})
		p := e.offer("new")
		p.say(`{"ack":0}`)
		for i := range 100 {
			p.sayNumber(i+1, 10)
		}
		time.Sleep(15 * time.Second) // reading has gone on behind the handler, as far as there is room
		e.settle()
		for range 30 {
			p = p.again(e, 0)
			if p.last < 0 {
				t.Fatal("the session does not go on")
			}
			p.say(`{"ack":0}`)
			p.sayNumber(p.last+1, 60<<10)
			e.settle()
		}
		p = p.again(e, 0)
		if p.last > 70 {
			t.Errorf("%d messages are left behind a handler, of 64 that may be", p.last)
		}
		last := p.last
		close(busy)
		e.settle()
		if len(handled) != last || !slices.IsSorted(handled) {
			t.Errorf("%d messages were handled, of %d", len(handled), last)
		}
	}, websocket, polling)
}

// A server whose queue for one connection holds less than it keeps for a session sends
// it again all the same, as the client reads.
func TestSessionSendsAgainMoreThanTheQueueHolds(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve(socket.WithSendQueue(0, 16))
		c := e.client(socket.WithReconnectAttempts(0))
		var down ledger
		down.count(c)
		e.connect(c)
		e.settle()
		id := c.ID()
		s, _ := server.GetSocket(id)
		e.setDown(syscall.ECONNREFUSED)
		e.cut()
		time.Sleep(35 * time.Second) // long polling notices by then
		for i := range 300 {
			event, data := number(i)
			if err := s.Send(event, data); err != nil {
				t.Fatalf("Send of message %d = %v", i, err)
			}
		}
		e.setDown(nil)
		time.Sleep(31 * time.Second)
		event, data := number(300)
		server.Broadcast(event, data)
		e.settle()
		down.want(t, "the client", 301)
		if c.ID() != id {
			t.Error("the session ended")
		}
	}, websocket, polling)
}

// slowTransport takes a while for a message when it is told to.
type slowTransport struct {
	*transport.WebSocketTransport
	next atomic.Int64 // how long the next message takes
}

func (s *slowTransport) SendBatch(batch [][]byte) error {
	if d := s.next.Swap(0); d > 0 {
		time.Sleep(time.Duration(d))
	}
	return s.WebSocketTransport.SendBatch(batch)
}

func (e *env) slowTransport() *slowTransport {
	return &slowTransport{WebSocketTransport: e.transport().(*transport.WebSocketTransport)}
}

// A message whose sender has been on its way since before the connection was lost does
// not leave over the next one, ahead of those that must come first.
func TestSessionMessageOfALostConnectionDoesNotOvertakeOnTheNext(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve()
		var up ledger
		up.countServer(server)
		tr := e.slowTransport()
		c := socket.NewClient(tr, socket.WithReconnectAttempts(0), socket.WithReconnectDelay(time.Second))
		defer c.Close()
		e.connect(c)
		e.settle()
		id := c.ID()
		e.stall()
		c.Send("n", 0) // is swallowed
		tr.next.Store(int64(10 * time.Second))
		sent := make(chan error, 1)
		go func() { sent <- c.Send("n", 1) }()
		synctest.Wait()
		e.cut()
		if err := <-sent; err != nil {
			t.Errorf("Send = %v", err)
		}
		time.Sleep(5 * time.Second)
		c.Send("n", 2)
		e.settle()
		up.want(t, "the server", 3)
		if c.ID() != id {
			t.Error("the session ended")
		}
	}, websocket)
}

// What has come is acknowledged soon, also if somebody was sending when it became due.
func TestSessionAcknowledgesWhatCameWhileSomebodyWasSending(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve(socket.WithSessionWindow(time.Minute))
		var reason error
		server.HandleFunc(socket.EventDisconnect, func(_ socket.Socket, r interface{}) { reason = r.(error) })
		tr := e.slowTransport()
		c := socket.NewClient(tr, socket.WithReconnectAttempts(0))
		defer c.Close()
		e.connect(c)
		e.settle()
		tr.next.Store(int64(5 * time.Second))
		go c.Send("n", 0)
		synctest.Wait()
		for i := range 40 {
			server.Broadcast("n", i)
		}
		time.Sleep(10 * time.Second)
		e.setDown(syscall.ECONNREFUSED)
		e.cut()
		time.Sleep(2 * time.Minute)
		e.settle()
		var lost *socket.SessionError
		if !errors.As(reason, &lost) || len(lost.Unknown)+lost.Dropped > 0 {
			t.Errorf("the session ended with %v", reason)
		}
	}, websocket)
}

// A message of the largest size goes through a session as it does without one, in both
// directions; one that is a byte larger does not.
func TestSessionTakesMessagesOfExactlyTheLargestSize(t *testing.T) {
	const size = 2000
	text := func(n int) string { return strings.Repeat("x", n-len(`{"event":"s","data":""}`)) }
	run(t, func(t *testing.T, e *env) {
		e.webSocket = []transport.WebSocketOption{transport.WithMaxMessageSize(size)}
		e.longPolling = []transport.LongPollingOption{transport.WithMaxMessageSize(size)}
		for _, on := range []bool{true, false} {
			server := e.serve(socket.WithMaxMessageSize(size))
			var reason error
			server.HandleFunc(socket.EventDisconnect, func(_ socket.Socket, r interface{}) { reason = r.(error) })
			var up, down []int // sizes
			note := func(to *[]int) (func(string), func([]byte)) {
				return func(s string) { *to = append(*to, len(s)) }, func(p []byte) { *to = append(*to, len(p)) }
			}
			upTexts, upBinaries := note(&up)
			socket.Handle(server, "s", func(_ socket.Socket, s string) { upTexts(s) })
			socket.Handle(server, socket.EventMessage, func(_ socket.Socket, p []byte) { upBinaries(p) })
			c := e.client(socket.WithSession(on), socket.WithReconnectAttempts(0))
			texts, binaries := note(&down)
			socket.On(c, "s", texts)
			socket.On(c, socket.EventMessage, binaries)
			e.connect(c)
			e.settle()
			s := socket.Sockets(server)[0]
			for range 20 { // the numbers get longer
				c.Send("s", text(size))
				c.Send(socket.EventMessage, make([]byte, size))
				s.Send("s", text(size))
				server.Broadcast(socket.EventMessage, make([]byte, size))
			}
			e.settle()
			want := slices.Repeat([]int{len(text(size)), size}, 20)
			if !slices.Equal(up, want) || !slices.Equal(down, want) {
				t.Errorf("session %t: the server got %v, the client %v, want %v", on, up, down, want)
			}
			if reason != nil {
				t.Errorf("session %t: %v", on, reason)
			}
			err := c.Send("s", text(size+1))
			e.settle()
			var limit *transport.LimitError
			if len(up) != 40 || err == nil && !errors.As(reason, &limit) {
				t.Errorf("session %t: one byte more: Send = %v, the socket ended with %v", on, err, reason)
			}
			c.Close()
			e.end()
		}
	}, websocket, polling)
}

// Acknowledgements are no messages to the rate limit: their number is up to the server.
func TestSessionAcknowledgementsAreNotCountedByTheRateLimit(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve(socket.WithRateLimits(socket.RateLimits{Messages: 3}))
		c := e.client()
		var down ledger
		down.count(c)
		e.connect(c)
		e.settle()
		for i := range 4000 {
			event, data := number(i)
			server.Broadcast(event, data)
			if i%100 == 99 {
				time.Sleep(100 * time.Millisecond)
			}
		}
		e.settle()
		down.want(t, "the client", 4000)
		// What acknowledges nothing new is counted.
		p := e.offer("new")
		for range 100 {
			p.say(`{"ack":0}`)
		}
		e.settle()
		if _, ok := server.GetSocket(p.id); ok {
			t.Error("100 acknowledgements of nothing are not too many")
		}
	}, websocket)
}

// A client that takes nothing for longer than the write timeout, because the network
// swallows everything, loses its connection and not its session.
func TestSessionSurvivesANetworkThatTakesNothing(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve()
		c := e.client(socket.WithReconnectAttempts(0))
		down := newAuditor()
		down.listen(c)
		e.connect(c)
		e.settle()
		id := c.ID()
		s, _ := server.GetSocket(id)
		e.stall()
		for range 40 { // more than the network's buffer
			if err := s.Send(sized(down.next(), 4<<10)); err != nil {
				t.Errorf("Send = %v", err)
			}
		}
		time.Sleep(90 * time.Second)
		if err := s.Send("n", down.next()); err != nil {
			t.Errorf("Send = %v", err)
		}
		e.settle()
		down.wantWhole(t, "the client")
		if c.ID() != id {
			t.Error("the session ended")
		}
	}, websocket, polling)
}

// A session without a connection that is closed, by a handler or by Shutdown, ends at
// once, with what is unknown, and its client is told.
func TestSessionWithoutAConnectionCanBeClosed(t *testing.T) {
	for _, how := range []string{"Close", "Shutdown", "panic"} {
		run(t, func(t *testing.T, e *env) {
			server := e.serve()
			ends := make(chan error, 1)
			server.HandleFunc(socket.EventDisconnect, func(_ socket.Socket, r interface{}) { ends <- r.(error) })
			socket.Handle(server, "late", func(s socket.Socket, _ int) {
				time.Sleep(40 * time.Second)
				if how == "panic" {
					panic("late")
				}
			})
			c := e.client(socket.WithReconnectAttempts(0))
			up, down := newAuditor(), newAuditor()
			c.On(socket.EventError, func(data interface{}) { up.report(data.(error)) })
			down.listen(c)
			e.connect(c)
			c.Send("late", 0)
			e.settle()
			s := socket.Sockets(server)[0]
			e.setDown(syscall.ECONNREFUSED)
			e.cut()
			time.Sleep(35 * time.Second)
			c.Send("n", up.next())
			s.Send("n", down.next())
			switch how {
			case "Close":
				s.Close()
			case "Shutdown":
				go server.Shutdown(t.Context())
			}
			time.Sleep(10 * time.Second)
			select {
			case err := <-ends:
				if how == "Close" && !errors.Is(err, socket.ErrConnectionClosed) {
					t.Errorf("%s: disconnect got %v", how, err)
				}
			default:
				t.Errorf("%s: the session has not ended", how)
			}
			e.setDown(nil)
			time.Sleep(40 * time.Second)
			up.report(c.Close())
			if a := up.settle(); a.losses > 0 || a.reported != 1 {
				t.Errorf("%s: the client's message: %+v", how, a)
			}
		}, websocket, polling)
	}
}

// Close while the client is connecting again says which messages are not known to have
// arrived.
func TestClientCloseBetweenConnectionsTellsWhatIsUnknown(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		e.serve()
		c := e.connected(socket.WithReconnectAttempts(0))
		e.settle()
		e.setDown(syscall.ECONNREFUSED)
		e.cut()
		time.Sleep(35 * time.Second)
		up := newAuditor()
		for range 5 {
			c.Send(number(up.next()))
		}
		if !up.report(c.Close()) {
			t.Error("Close says nothing of five messages")
		}
		if a := up.settle(); a.losses != 0 || a.reported != 5 {
			t.Errorf("five messages: %+v", a)
		}
	}, websocket, polling)
}

// However many sessions without a connection there are, what is kept for them stays
// within the memory budget, and those who are connected do not notice.
func TestThreatE10_SessionsWithoutConnectionsStayWithinTheBudget(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		const budget, sessions = 8 << 20, 500
		server := e.serve(socket.WithMemoryBudget(budget), socket.WithMaxConcurrency(0))
		for range sessions {
			p := e.offer("new")
			p.say(`{"ack":0}`)
		}
		e.settle()
		e.cut()
		e.settle()
		if n := server.Count(); n != sessions {
			t.Fatalf("%d sessions", n)
		}
		c := e.client()
		down := newAuditor()
		down.listen(c)
		e.connect(c)
		e.settle()
		for range 100 {
			event, data := sized(down.next(), 2<<10)
			server.Broadcast(event, data)
			if used := socket.MemoryUsed(server); used > budget {
				t.Fatalf("%d bytes are kept, of %d", used, budget)
			}
			time.Sleep(10 * time.Millisecond)
		}
		e.settle()
		down.wantWhole(t, "the one that is connected")
		if !c.IsConnected() {
			t.Error("it is not connected any more")
		}
	}, websocket)
}

// Numbers that no client of a session sends end it, and nothing else.
func TestSessionEndsForNumbersThatCannotBe(t *testing.T) {
	for name, lines := range map[string][]string{
		"a gap":             {`{"seq":2,"event":"n","data":1}`},
		"a jump":            {`{"seq":1,"event":"n","data":1}`, `{"seq":999999999999999999,"event":"n","data":1}`},
		"more than fits":    {`{"seq":99999999999999999999,"event":"n","data":1}`},
		"not a number":      {`{"seq":"1","event":"n","data":1}`},
		"negative":          {`{"seq":-1,"event":"n","data":1}`},
		"an ack of nothing": {`{"ack":1}`},
		"an ack ahead":      {`{"seq":1,"ack":18446744073709551615,"event":"n","data":1}`},
		"an ack, spelled":   {`{ "ack" : 7 }`},
	} {
		run(t, func(t *testing.T, e *env) {
			server := e.serve()
			other := e.connected()
			p := e.offer("new")
			p.say(`{"ack":0}`)
			p.say(lines...)
			e.settle()
			if _, ok := server.GetSocket(p.id); ok {
				t.Errorf("%s: the session goes on", name)
			}
			if q := p.again(e, 0); q.last >= 0 || q.id == p.id {
				t.Errorf("%s: it can be resumed", name)
			}
			if !other.IsConnected() {
				t.Errorf("%s: another client is gone", name)
			}
		}, websocket, polling)
	}
}

// An acknowledgement is none of the application's messages, however it is spelled.
func TestSessionAcknowledgementInAnySpellingIsNoMessage(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve()
		var got []interface{}
		server.HandleFunc(socket.EventMessage, func(_ socket.Socket, data interface{}) { got = append(got, data) })
		p := e.offer("new")
		p.say(`{ "ack": 0 }`, "{\t\"ack\":0}", ` {"ack":0}`, `{"seq":1,"event":"message","data":1}`)
		e.settle()
		if len(got) != 1 {
			t.Errorf("the handler got %v", got)
		}
	}, websocket, polling)
}

// A client that is closed as slow is reported at once, and with everything that its session
// has not delivered.
func TestSlowConsumerIsReportedWithWhatItsSessionHasNotDelivered(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve()
		ends := make(chan error, 1)
		server.HandleFunc(socket.EventDisconnect, func(_ socket.Socket, reason interface{}) { ends <- reason.(error) })
		e.connected(socket.WithReconnectAttempts(1))
		e.settle()
		s := socket.Sockets(server)[0]
		e.stall()
		e.setDown(syscall.ECONNREFUSED)
		for i := range 10 {
			if err := s.Send("n", i); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		socket.Slow(s)
		err := <-ends
		var se *socket.SessionError
		var le *transport.LimitError
		if !errors.As(err, &se) || !errors.As(err, &le) || le.Code != transport.StatusTryAgainLater {
			t.Fatalf("the disconnect handlers got %v, want a SessionError and the limit", err)
		}
		if n := len(se.Unknown) + se.Dropped; n != 10 {
			t.Errorf("%d messages are unknown, want 10", n)
		}
		if d := time.Since(began); d != 0 {
			t.Errorf("they were told after %v", d)
		}
	}, websocket, polling)
}
