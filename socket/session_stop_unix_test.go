//go:build unix

package socket_test

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// The process that is stopped pings every second and gives up half a second later; its
// clients over WebSocket give up after 2 s of silence.
const (
	stoppedPing    = time.Second
	stoppedPong    = 500 * time.Millisecond
	stoppedSilence = 2 * time.Second
)

// stoppedHeader says which of the clients a connection is of.
const stoppedHeader = "Client-Number"

var (
	stoppedAddr = flag.String("stopped", "", "be the server process of another test, on this address")
	stoppedKept = flag.Int("kept", 0, "how many messages that process keeps for a session")
)

// TestStoppedServerProcess is the server of the tests that stop one. It answers each
// message with one of its own numbers, and says what it does: "got", "sent", "refused" and
// "unknown" with the client and the number, "dropped" with the client and how many.
func TestStoppedServerProcess(t *testing.T) {
	if *stoppedAddr == "" {
		t.Skip("a part of other tests")
	}
	l, err := net.Listen("tcp", *stoppedAddr)
	if err != nil {
		t.Fatal(err)
	}
	window := time.Minute
	if *stoppedKept < 100 {
		window = 3 * time.Second // sessions that their clients have left are to be reported soon
	}
	server := socket.NewServer(socket.WithLogger(nil), socket.WithPingInterval(stoppedPing), socket.WithPingTimeout(stoppedPong),
		socket.WithSessionBuffer(0, *stoppedKept), socket.WithSessionWindow(window))
	var mu sync.Mutex // guards next
	next := make(map[string]int)
	listenServer(server, func(s socket.Socket, i int) {
		k := s.Request().Header.Get(stoppedHeader)
		mu.Lock()
		j := next[k]
		next[k]++
		mu.Unlock()
		fmt.Printf("got %s %d\nsent %s %d\n", k, i, k, j)
		if s.Send("n", j) != nil {
			fmt.Printf("refused %s %d\n", k, j)
		}
	})
	socket.Handle(server, socket.EventDisconnect, func(s socket.Socket, reason error) {
		var lost *socket.SessionError
		if !errors.As(reason, &lost) {
			return
		}
		k := s.Request().Header.Get(stoppedHeader)
		for _, m := range lost.Unknown {
			j, _ := numberOf(m)
			fmt.Printf("unknown %s %d\n", k, j)
		}
		fmt.Printf("dropped %s %d\n", k, lost.Dropped)
	})
	http.Serve(l, server) // until the process is killed
}

// stopped is a server process that is stopped now and then, and its clients.
type stopped struct {
	t       *testing.T
	cmd     *exec.Cmd
	eof     chan struct{} // closed when everything is read that the process has said
	clients []*stoppedClient
	rng     *rand.Rand
	small   bool // less is kept than is sent
}

// stoppedClient is one of the clients.
type stoppedClient struct {
	c        *socket.Client
	up, down *auditor

	mu    sync.Mutex // guards the fields below
	ends  int        // of sessions, as it was told
	lost  int        // connections
	first string     // id
}

func startStopped(t *testing.T, kept int) *stopped {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	s := &stopped{t: t, rng: rand.New(rand.NewPCG(*firstSeed, 10)), small: kept < 100}
	for k := range 4 {
		s.clients = append(s.clients, newStoppedClient(addr, k, kept))
	}
	s.cmd, s.eof = startSelf(t, s.said, "-test.run=^TestStoppedServerProcess$", "-stopped="+addr, "-kept="+strconv.Itoa(kept))
	t.Cleanup(func() {
		for _, k := range s.clients {
			k.c.Close()
		}
		_ = s.cmd.Process.Kill() // fails only when it has ended
		<-s.eof
		_ = s.cmd.Wait() // an error, since it was killed
	})
	for _, k := range s.clients {
		k.connect(t)
	}
	return s
}

func newStoppedClient(addr string, number, kept int) *stoppedClient {
	k := &stoppedClient{up: newAuditor(), down: newAuditor()}
	header := transport.WithHeaders(map[string][]string{stoppedHeader: {strconv.Itoa(number)}})
	var tr socket.Transport = transport.NewWebSocketTransport("ws://"+addr, header, transport.WithReadTimeout(stoppedSilence))
	if number%2 == 1 {
		tr = transport.NewLongPollingTransport("http://"+addr, header, transport.WithTimeout(stoppedSilence))
	}
	k.c = socket.NewClient(tr, socket.WithReconnectAttempts(0), socket.WithReconnectDelay(10*time.Millisecond),
		socket.WithMaxReconnectDelay(50*time.Millisecond), socket.WithConnectTimeout(time.Second), socket.WithClientSessionBuffer(0, kept))
	k.down.listen(k.c)
	k.c.On(socket.EventDisconnect, func(interface{}) {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.lost++
	})
	socket.On(k.c, socket.EventError, func(err error) {
		if k.up.report(err) {
			k.mu.Lock()
			defer k.mu.Unlock()
			k.ends++
		}
	})
	return k
}

func (k *stoppedClient) connect(t *testing.T) {
	t.Helper()
	for range 1000 {
		if k.c.Connect() == nil {
			k.first = k.c.ID()
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the server process does not come up")
}

// said takes a line of the server process.
func (s *stopped) said(line string) {
	var what string
	var k, i int
	if n, _ := fmt.Sscanf(line, "%s %d %d", &what, &k, &i); n != 3 || k < 0 || k >= len(s.clients) {
		return
	}
	c := s.clients[k]
	switch what {
	case "got":
		c.up.receive(i)
	case "sent":
		c.down.next()
	case "refused":
		c.down.refuse(i)
	case "unknown":
		c.down.mu.Lock()
		c.down.unknown[i] = true
		c.down.mu.Unlock()
	case "dropped":
		c.down.mu.Lock()
		c.down.dropped += i
		c.down.mu.Unlock()
	}
}

// send has every client send, all the time or for a moment at the begin of it.
func (s *stopped) send(moment, all time.Duration) {
	s.t.Helper()
	for began := time.Now(); time.Since(began) < all; time.Sleep(time.Millisecond) {
		if time.Since(began) >= moment {
			continue
		}
		for _, k := range s.clients {
			i := k.up.next()
			if err := k.c.Send(number(i)); err != nil {
				k.up.refuse(i)
				// Too much, or between two sessions: all that can happen where less is kept.
				if !s.small || !errors.Is(err, socket.ErrBufferFull) && !errors.Is(err, socket.ErrTimeout) &&
					!errors.Is(err, socket.ErrConnectionClosed) {
					s.t.Errorf("Send = %v", err)
				}
			}
		}
	}
}

// back waits until all clients are connected.
func (s *stopped) back() {
	s.t.Helper()
	for range 1000 {
		up := 0
		for _, k := range s.clients {
			if k.c.IsConnected() {
				up++
			}
		}
		if up == len(s.clients) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.t.Fatal("the clients do not come back")
}

// settle waits until of every message it is known what has become of it, as far as the
// auditors are told.
func (s *stopped) settle() {
	for range 3000 { // a session that its client has left ends after the window
		open := 0
		for _, k := range s.clients {
			for _, a := range []*auditor{k.up, k.down} {
				open += a.settle().losses
			}
		}
		if open == 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(100 * time.Millisecond) // for what comes twice
}

func (s *stopped) millis(from, n int) time.Duration {
	return time.Duration(from+s.rng.IntN(n)) * time.Millisecond
}

// stop stops the process, for less than anybody notices or for longer than all bear, while
// the clients send, and lets it go on.
func (s *stopped) stop(long bool) {
	s.send(s.millis(5, 50), s.millis(60, 20))
	stopped := s.millis(0, 1200)
	if long {
		stopped = s.millis(2200, 1800)
	}
	moment := s.millis(0, 100)
	if s.small {
		moment = stopped
	}
	if err := s.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		s.t.Fatal(err)
	}
	s.send(moment, stopped)
	if err := s.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		s.t.Fatal(err)
	}
	s.back()
}

// A server process that is stopped for shorter and for longer than the heartbeat, over and
// over, and goes on: where all is kept, every message comes once and in order in both
// directions, and nobody is told of an end; where less is kept than is sent meanwhile, both
// ends are told of every message that may be lost.
func TestSessionOfAStoppedServerTellsTheTruth(t *testing.T) {
	if testing.Short() {
		t.Skip("processes are stopped for seconds")
	}
	stops := 2
	if *longSoak {
		stops = 100
	}
	for _, tt := range []struct {
		name string
		kept int // messages
	}{
		{"all is kept", 4096},
		{"less is kept than is sent", 20},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := startStopped(t, tt.kept)
			for n := range stops {
				s.stop(n%2 == 1)
			}
			s.settle()
			lost, ends := 0, 0
			var up, down account
			for i, k := range s.clients {
				k.mu.Lock()
				lost += k.lost
				ends += k.ends
				k.mu.Unlock()
				k.up.want(t, fmt.Sprintf("client %d to the server", i))
				k.down.want(t, fmt.Sprintf("the server to client %d", i))
				up.add(k.up.settle())
				down.add(k.down.settle())
				if !s.small && k.c.ID() != k.first {
					t.Errorf("client %d: the socket was %s and is %s", i, k.first, k.c.ID())
				}
			}
			if !s.small && (ends > 0 || up.got != up.sent || down.got != down.sent) {
				t.Errorf("%d sessions ended; up %+v, down %+v", ends, up, down)
			}
			if lost < stops/2 || s.small && (ends == 0 || up.refused+up.reported == 0) {
				t.Errorf("%d connections were lost, %d sessions ended: the test tries nothing", lost, ends)
			}
			t.Logf("%d stops, %d connections lost, %d sessions ended; up %+v, down %+v", stops, lost, ends, up, down)
		})
	}
}
