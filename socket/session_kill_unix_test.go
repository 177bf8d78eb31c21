//go:build unix

package socket_test

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

var childAddr = flag.String("child", "", "be the server process of another test, on this address")

// TestSessionServerProcess is the server of the tests that kill one. It says what it has
// handled, and answers it.
func TestSessionServerProcess(t *testing.T) {
	if *childAddr == "" {
		t.Skip("a part of other tests")
	}
	var l net.Listener
	for range 200 { // the address may be in use until the process before is gone
		var err error
		if l, err = net.Listen("tcp", *childAddr); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if l == nil {
		t.Fatal("the address is in use")
	}
	server := socket.NewServer(socket.WithLogger(nil), socket.WithPingInterval(time.Second), socket.WithPingTimeout(500*time.Millisecond))
	listenServer(server, func(s socket.Socket, i int) {
		fmt.Printf("got %d\n", i)
		s.Send("n", i)
	})
	http.Serve(l, server) // until the process is killed
}

// child is a server process.
type child struct {
	cmd *exec.Cmd
	eof chan struct{} // closed when everything is read that it has said
}

func startChild(t *testing.T, addr string, up *auditor) *child {
	t.Helper()
	c := new(child)
	c.cmd, c.eof = startSelf(t, func(line string) {
		var i int
		if n, _ := fmt.Sscanf(line, "got %d", &i); n == 1 {
			up.receive(i)
		}
	}, "-test.run=^TestSessionServerProcess$", "-child="+addr)
	return c
}

// startSelf starts this test program as another process, and has said called for each line
// that it prints. eof is closed when everything is read.
func startSelf(t *testing.T, said func(line string), args ...string) (cmd *exec.Cmd, eof chan struct{}) {
	t.Helper()
	cmd, eof = exec.Command(os.Args[0], args...), make(chan struct{})
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	go func() { // ends with the process
		defer close(eof)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			said(lines.Text())
		}
	}()
	return cmd, eof
}

// kill ends the process without a word, and waits for what it has said before.
func (c *child) kill() {
	_ = c.cmd.Process.Kill() // fails only when it has ended
	<-c.eof
	_ = c.cmd.Wait() // an error, since it was killed
}

// killed is a client of server processes that do not live long.
type killed struct {
	t        *testing.T
	addr     string
	c        *socket.Client
	up, down *auditor
	ends     atomic.Int64 // sessions that are over, as the client was told
	rng      *rand.Rand
}

func newKilled(t *testing.T, k kind) *killed {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &killed{t: t, addr: l.Addr().String(), up: newAuditor(), down: newAuditor(), rng: rand.New(rand.NewPCG(*firstSeed, 9))}
	l.Close()
	var tr socket.Transport = transport.NewWebSocketTransport("ws://"+s.addr, transport.WithReadTimeout(2*time.Second))
	if k == polling {
		tr = transport.NewLongPollingTransport("http://"+s.addr, transport.WithTimeout(2*time.Second))
	}
	s.c = socket.NewClient(tr, socket.WithReconnectAttempts(0), socket.WithReconnectDelay(10*time.Millisecond), socket.WithMaxReconnectDelay(50*time.Millisecond))
	s.down.listen(s.c)
	s.c.On(socket.EventError, func(data interface{}) {
		if s.up.report(data.(error)) {
			s.ends.Add(1)
		}
	})
	return s
}

// connect waits for a server process.
func (s *killed) connect() {
	s.t.Helper()
	for range 1000 {
		if s.c.Connect() == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.t.Fatal("the server process does not come up")
}

// send sends for a while.
func (s *killed) send(d time.Duration) {
	s.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); {
		for range 5 {
			i := s.up.next()
			if err := s.c.Send(number(i)); err != nil {
				s.up.refuse(i)
				if !errors.Is(err, socket.ErrBufferFull) {
					s.t.Errorf("Send = %v", err)
				}
			}
		}
		time.Sleep(time.Millisecond)
	}
}

// back waits until there is a connection, and the client was told of so many ends.
func (s *killed) back(ends int) {
	for range 1000 {
		if s.c.IsConnected() && s.ends.Load() >= int64(ends) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.t.Fatal("the client does not come back")
}

func (s *killed) millis(from, n int) time.Duration {
	return time.Duration(from+s.rng.IntN(n)) * time.Millisecond
}

// A server process that is killed takes its sessions with it. The client gets a new one,
// and is told of every message that the old process may not have handled.
func TestSessionOfAKilledServerTellsWhatIsUnknown(t *testing.T) {
	if testing.Short() {
		t.Skip("processes start and die for seconds")
	}
	kills := 3
	if *longSoak {
		kills = 100
	}
	for _, k := range []kind{websocket, polling} {
		t.Run(string(k), func(t *testing.T) {
			s := newKilled(t, k)
			server := startChild(t, s.addr, s.up)
			defer func() { server.kill() }()
			s.connect()
			defer s.c.Close()
			for n := range kills {
				s.send(s.millis(5, 50))
				server.kill()
				s.send(s.millis(0, 20))
				server = startChild(t, s.addr, s.up)
				s.back(n + 1)
			}
			s.send(20 * time.Millisecond)
			time.Sleep(1500 * time.Millisecond) // what was sent at last is acknowledged
			s.up.report(s.c.Close())
			server.kill()
			s.up.want(t, "to the servers")
			for range s.up.settle().sent {
				s.down.next() // the servers answer what they get
			}
			if a := s.down.settle(); a.duplicates+a.reorders > 0 {
				t.Errorf("to the client: %+v", a)
			}
			t.Logf("%d kills: %+v", kills, s.up.settle())
		})
	}
}
