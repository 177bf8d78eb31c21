package socket_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// wantSameNumbers checks that both ends of a session have counted the same messages, when
// none is on its way. What one end counts and the other does not would be lost, or come
// twice, with the next connection.
func wantSameNumbers(t *testing.T, c *socket.Client, s socket.Socket, when string) {
	t.Helper()
	up, down := [2]uint64{}, [2]uint64{}
	up[0], down[1] = socket.SessionNumbers(c)
	down[0], up[1] = socket.SessionNumbers(s)
	if up[0] != up[1] || down[0] != down[1] {
		t.Errorf("%s: the client has sent %d messages, and %d have come; the server %d, and %d have come", when, up[0], up[1], down[0], down[1])
	}
}

// TestWhatATextOfASessionCountsAs lists the cases of docs/protocol.md.
func TestWhatATextOfASessionCountsAs(t *testing.T) {
	type numbers = socket.Numbers
	for text, want := range map[string]numbers{
		// No numbers: the next message, whatever it is.
		`{"event":"x","data":1}`: {},
		`{"req":1,"event":"x"}`:  {},
		`{"re":1,"data":2}`:      {},
		`{"event":"x","seq":3}`:  {},
		`{"event":"x","ack":3}`:  {},
		`{"data":{"seq":3}}`:     {},
		`{"seqs":3}`:             {},
		`{"author":"x"}`:         {},
		`{"Seq":3}`:              {},
		`{"":3}`:                 {},
		` { "event" : "x" } `:    {},
		`{}`:                     {},
		`{`:                      {},
		`{"`:                     {},
		`{"s`:                    {},
		`{x`:                     {},
		`[]`:                     {},
		`["seq",3]`:              {},
		`"seq"`:                  {},
		`7`:                      {},
		`hello`:                  {},
		` `:                      {},
		``:                       {},
		`{"\u0073ize":1}`:        {},
		// Numbers in front.
		`{"seq":3,"event":"x"}`:           {Seq: 3, Said: true},
		`{"seq":3,"ack":2,"event":"x"}`:   {Seq: 3, Ack: 2, Said: true},
		`{"ack":2,"seq":3,"event":"x"}`:   {Seq: 3, Ack: 2, Said: true},
		`{"ack":2,"event":"x"}`:           {Ack: 2},
		`{"ack":2,"again":"x"}`:           {Ack: 2},
		`{"ack":0,"event":"x"}`:           {},
		`{"seq":3,"also":"x"}`:            {Seq: 3, Said: true},
		`{"seq":3,"\u0061ck":2}`:          {Seq: 3, Ack: 2, Said: true},
		`{"\u0073eq":3,"event":"x"}`:      {Seq: 3, Said: true},
		` { "seq" : 3 , "event" : "x" } `: {Seq: 3, Said: true},
		"{\"seq\":3,\n\"ack\":2}":         {Seq: 3, Ack: 2, Said: true},
		`{"seq":3}`:                       {Seq: 3, Said: true},
		`{"seq":007,"event":"x"}`:         {Seq: 7, Said: true},
		`{"seq":3,"seq":4,"event":"x"}`:   {Seq: 3, Said: true},
		`{"seq":3,"ack":2,"seq":4}`:       {Seq: 3, Ack: 2, Said: true},
		`{"ack":3,"ack":4,"event":"x"}`:   {Ack: 3},
		`{"seq":3,"event":`:               {Seq: 3, Said: true}, // the handlers are told what is wrong with it
		// Not of the session.
		`{"seq":0,"event":"x"}`:         {Said: true},
		`{"seq":0,"ack":2,"event":"x"}`: {Ack: 2, Said: true},
		// No message.
		`{"ack":2}`:             {Ack: 2, Alone: true},
		`{"ack":0}`:             {Alone: true},
		`{"seq":0}`:             {Said: true, Alone: true},
		`{"seq":0,"ack":2}`:     {Ack: 2, Said: true, Alone: true},
		" {\t\"ack\" : 2 }\r\n": {Ack: 2, Alone: true},
		`{"ack":2,"seq":0}`:     {Ack: 2, Said: true, Alone: true},
	} {
		n, rest, err := socket.ParseNumbers(transport.MessageText, []byte(text))
		if err != nil || n != want {
			t.Errorf("%q has the numbers %+v, %v; want %+v", text, n, err, want)
		}
		if strings.Contains(text, `"event":"x"}`) && !strings.HasSuffix(string(rest), `"event":"x"}`) {
			t.Errorf("%q becomes %q", text, rest)
		}
	}
	for _, text := range []string{
		`{"seq":`, `{"seq":3`, `{"seq":3,`, `{"seq":3,}`, `{"seq":3 "event":"x"}`, `{"seq":3,x`, `{"seq":3}x`, `{"seq":3}{}`, `{"ack":3} {`, `{"ack":3`,
		`{"seq":-1}`, `{"seq":1.0}`, `{"seq":1e3}`, `{"seq":"1"}`, `{"seq":null}`, `{"seq":[1]}`, `{"seq":9999999999999999999,"event":"x"}`,
		`{"ack":-1}`, `{"ack":true,"event":"x"}`, `{"seq":3,"ack":"2","event":"x"}`, `{"seq":3,"ack":null}`, `{ "ack" : [] }`,
	} {
		if n, rest, err := socket.ParseNumbers(transport.MessageText, []byte(text)); err == nil {
			t.Errorf("%q has the numbers %+v and is %q, want an error", text, n, rest)
		}
	}
}

// TestNumbersAreReadAsTheyAreWritten, by the quick way, and by the one for other spellings:
// they agree about any text.
func TestNumbersAreReadAsTheyAreWritten(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		n := socket.Numbers{Seq: rng.Uint64N(1 << rng.IntN(59)), Ack: rng.Uint64N(1 << rng.IntN(59)), Said: rng.IntN(2) == 0}
		typ, p := transport.MessageText, []byte(`{"event":"x","data":[1,2]}`)
		if rng.IntN(4) == 0 {
			typ, p, n.Said = transport.MessageBinary, []byte("bytes"), true
		}
		if !n.Said {
			n.Seq = 0
		}
		wire := socket.AppendNumbers(n, typ, p)
		got, rest, err := socket.ParseNumbers(typ, slices.Clone(wire))
		if got != n || err != nil || string(rest) != string(p) {
			t.Fatalf("%q is read as %+v, %q, %v; want %+v, %q", wire, got, rest, err, n, p)
		}
	}
	parts := []string{"{", "}", `"seq"`, `"ack"`, `"\u0073eq"`, `"s"`, `"event"`, ":", ",", "1", "0", "-", " ", "x", `"seq":7,`, `{"seq":7`, `,"ack":3`, `{"ack":3`, `"x":1}`}
	for range 100_000 {
		var text string
		for range 1 + rng.IntN(7) {
			text += parts[rng.IntN(len(parts))]
		}
		quick, _, err := socket.ParseNumbers(transport.MessageText, []byte(text))
		spelled, _, err2 := socket.ParseSpelled([]byte(text))
		// A broken text behind good numbers is found by one way and not by the other.
		if (err == nil) != (err2 == nil) && json.Valid([]byte(text)) || err == nil && err2 == nil && quick != spelled {
			t.Fatalf("%q is read as %+v, %v, and %+v, %v", text, quick, err, spelled, err2)
		}
	}
}

// heard notes the data of the events "s" and "n" of a server, and checks nothing.
func heard(server *socket.Server) *trace {
	var tr trace
	for _, event := range []socket.Event{"s", "n"} {
		server.HandleFunc(event, func(_ socket.Socket, data interface{}) { tr.add("%v", data) })
	}
	server.HandleFunc(socket.EventMessage, func(_ socket.Socket, data interface{}) { tr.add("%s", data) })
	return &tr
}

func TestSessionMessageWithoutANumberIsOneMoreThanTheOneBefore(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		got := heard(e.serve())
		p := e.offer("new")
		p.say(`{"ack":0}`, `{"seq":1,"event":"n","data":1}`, `{"event":"n","data":2}`,
			`{"seq":0,"event":"n","data":"apart"}`, // not counted
			`{"ack":0,"event":"n","data":3}`, `{"ack":0}`, `{"seq":4,"event":"n","data":4}`)
		p.SendBinary([]byte("\x05\x00bytes"))
		p.SendBinary([]byte("\x00\x00apart"))
		p.say(`not JSON`, `{"event":"n","data":7}`)
		e.settle()
		got.want(t, "1", "2", "apart", "3", "4", "bytes", "apart", "7")
		if p = p.again(e, 0); p.last != 7 {
			t.Fatalf("the server has everything up to %d, want 7", p.last)
		}
		p.say(`{"ack":0}`, `{"seq":8,"event":"n","data":8}`)
		e.settle()
		got.want(t, "1", "2", "apart", "3", "4", "bytes", "apart", "7", "8")
	}, websocket, polling)
}

// After a resume the client sends some of what the server has again; numbers that are not
// said count from there.
func TestSessionNumbersBehindOneThatHasBeenThereArePassedOverToo(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		got := heard(e.serve())
		p := e.offer("new")
		p.say(`{"ack":0}`)
		for i := 1; i <= 5; i++ {
			p.sayNumber(i, 1)
		}
		e.settle()
		if p = p.again(e, 0); p.last != 5 {
			t.Fatalf("the server has everything up to %d, want 5", p.last)
		}
		p.say(`{"ack":0}`, `{"seq":3,"event":"n","data":"twice"}`, `{"event":"n","data":"twice"}`, `{"seq":0,"event":"n","data":"apart"}`,
			`{"ack":0,"event":"n","data":"twice"}`, `{"event":"n","data":6}`, `{"seq":2,"event":"n","data":"twice"}`, `{"event":"n","data":"twice"}`,
			`{"seq":7,"event":"n","data":7}`)
		e.settle()
		got.want(t, "1:x", "2:x", "3:x", "4:x", "5:x", "apart", "6", "7")
	}, websocket, polling)
}

// What a connection says first has a number, also when the one before it said all.
func TestSessionEndsForAFirstMessageWithoutANumber(t *testing.T) {
	for name, first := range map[string]string{
		"an event":                       `{"event":"n","data":1}`,
		"with an acknowledgement":        `{"ack":0,"event":"n","data":1}`,
		"behind one that is not counted": `{"seq":0,"event":"n","data":1}`,
		"no JSON":                        `hello`,
	} {
		for _, resumes := range []bool{false, true} {
			run(t, func(t *testing.T, e *env) {
				server := e.serve()
				p := e.offer("new")
				p.say(`{"ack":0}`)
				if resumes {
					p.say(`{"seq":1,"event":"n","data":1}`)
					e.settle()
					p = p.again(e, 0)
				}
				p.say(first)
				if strings.HasPrefix(name, "behind") {
					e.settle()
					if _, ok := server.GetSocket(p.id); !ok {
						t.Fatalf("%s: a message that is not of the session has ended it", name)
					}
					p.say(`{"event":"n","data":1}`)
				}
				e.settle()
				if _, ok := server.GetSocket(p.id); ok {
					t.Errorf("%s: the session goes on, resumed: %t", name, resumes)
				}
			}, websocket, polling)
		}
	}
}

// The server says one number over each connection, and what is not of the session is marked.
// Acknowledgements go along with messages that nothing else waits beside.
func TestSessionOfTheServerSaysANumberOnce(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve()
		heard(server)
		p := e.offer("new")
		p.say(`{"ack":0}`)
		e.settle()
		s, _ := server.GetSocket(p.id)
		server.BroadcastParallel("n", 1)
		s.Send("n", 2)
		server.BroadcastParallel("n", 3)
		s.SendVolatile("n", "apart")
		server.Under(socket.Volatile()).Broadcast("n", "apart")
		e.settle()
		p.sayNumber(1, 1)
		synctest.Wait()
		s.Send("n", 4)
		server.BroadcastParallel("n", 5)
		server.BroadcastParallel(socket.EventMessage, []byte("bytes"))
		server.BroadcastParallel("n", 7)
		p.want(`{"seq":1,"event":"n","data":1}`, `{"event":"n","data":2}`, `{"event":"n","data":3}`,
			`{"seq":0,"event":"n","data":"apart"}`, `{"seq":0,"event":"n","data":"apart"}`,
			`{"ack":1,"event":"n","data":4}`, `{"event":"n","data":5}`, "\x06\x00bytes", `{"event":"n","data":7}`)
		p = p.again(e, 4)
		p.say(`{"ack":4}`)
		e.settle()
		server.BroadcastParallel("n", 8)
		p.want(`{"seq":5,"event":"n","data":5}`, "\x06\x00bytes", `{"seq":7,"event":"n","data":7}`, `{"event":"n","data":8}`)
	}, websocket, polling)
}

// What many messages have asked for is acknowledged along with others also in the middle of
// a burst, and by itself where nothing goes the other way.
func TestSessionOfTheServerAcknowledgesInABurst(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve()
		echoes := true
		listenServer(server, func(s socket.Socket, i int) {
			if echoes {
				s.Send("n", i)
			}
		})
		p := e.offer("new")
		p.say(`{"ack":0}`)
		p.sayNumber(1, 1)
		p.want(`{"seq":1,"ack":1,"event":"n","data":1}`)
		var burst []string
		for i := 2; i <= 80; i++ {
			burst = append(burst, fmt.Sprintf(`{"event":"s","data":"%d:"}`, i))
		}
		p.say(burst...)
		acked := 1
		for i := 2; i <= 80; i++ {
			data, err := p.Receive()
			if err != nil {
				t.Fatal(err)
			}
			n, rest, err := socket.ParseNumbers(transport.MessageText, data)
			if want := fmt.Sprintf(`{"event":"n","data":%d}`, i); err != nil || n.Said || string(rest) != want {
				t.Fatalf("%q came, %v; want %s", data, err, want)
			}
			if acked = max(acked, int(n.Ack)); acked < i-32 {
				t.Fatalf("with message %d, %d are acknowledged", i, acked)
			}
		}
		echoes = false
		burst = nil
		for i := 81; i <= 700; i++ {
			burst = append(burst, fmt.Sprintf(`{"event":"s","data":"%d:"}`, i))
		}
		p.say(burst...)
		p.want(`{"ack":`+strconv.Itoa(acked+256)+`}`, `{"ack":`+strconv.Itoa(acked+512)+`}`)
		p.want(`{"ack":700}`) // seconds later
	}, websocket)
}

// Whatever becomes of messages on the way out, both ends count the same ones: those that are
// dropped by a policy, refused, or not of the session have no number.
func TestBothEndsOfASessionCountTheSameMessages(t *testing.T) {
	for _, batch := range []int{0, 3} {
		run(t, func(t *testing.T, e *env) {
			server := e.serve(socket.WithSendQueue(0, 16), socket.WithSlowPolicy(socket.DropOldest()))
			server.HandleFunc(socket.EventConnect, func(s socket.Socket, _ interface{}) { s.Join("room") })
			opts := []socket.ClientOption{socket.WithReconnectAttempts(0)}
			if batch > 0 {
				opts = append(opts, socket.WithBatchSend(batch, time.Millisecond))
			}
			c := e.client(opts...)
			e.connect(c)
			e.settle()
			s, _ := server.GetSocket(c.ID())
			rng := rand.New(rand.NewPCG(uint64(batch), 3))
			next := 0
			for round := range 12 {
				dammed := rng.IntN(2) == 0
				if dammed {
					e.stall()
					server.BroadcastParallel("fill", strings.Repeat("f", 70_000))
				}
				for range 60 {
					next++
					policies := []socket.Policy{socket.DropNewest(), socket.DropOldest(), socket.KeepLatest("k"), socket.Volatile()}
					switch k := rng.IntN(8); k {
					default:
						server.Under(policies[k%4]).BroadcastToRoom("room", "n", next)
					case 4:
						s.SendVolatile("n", next)
					case 5:
						s.SendVolatile(socket.EventMessage, []byte("apart"))
					case 6:
						c.SendVolatile("n", next) // it may find no room
					case 7:
						if err := c.Send("n", next); err != nil {
							t.Fatal(err)
						}
					}
					if rng.IntN(4) == 0 && !dammed {
						if err := s.Send("n", next); err != nil {
							t.Fatal(err)
						}
					}
				}
				e.net.Faults().Resume()
				if rng.IntN(3) > 0 {
					e.settle()
				}
				if rng.IntN(2) == 0 {
					e.setDown(syscall.ECONNREFUSED)
					e.cut()
					for range 5 {
						next++
						if err := c.Send("n", next); err != nil && batch == 0 && e.kind == websocket {
							t.Fatal(err)
						}
						server.BroadcastToRoom("room", "n", next)
					}
					time.Sleep(3 * time.Second)
					e.setDown(nil)
				}
				time.Sleep(2 * time.Minute)
				e.settle()
				if id := c.ID(); id != s.ID() || !c.IsConnected() {
					t.Fatalf("round %d: the socket was %s and is %s", round, s.ID(), id)
				}
				wantSameNumbers(t, c, s, fmt.Sprint("round ", round))
			}
		}, websocket, polling)
	}
}

// An end that keeps little is not left with messages that nobody has acknowledged, though the
// other does not know how little it is: the session outlives each loss of the connection.
func TestSessionWithALittleBufferIsAcknowledgedInTime(t *testing.T) {
	for _, more := range []int{0, 10} { // all text, and half of it binary
		run(t, func(t *testing.T, e *env) {
			const most = 64
			server := e.serve(socket.WithSessionBuffer(0, most))
			c := e.client(socket.WithClientSessionBuffer(0, most), socket.WithReconnectAttempts(0))
			up, down := newAuditor(), newAuditor()
			listenServer(server, func(_ socket.Socket, i int) { up.receive(i) })
			down.listen(c)
			e.connect(c)
			e.settle()
			s, _ := server.GetSocket(c.ID())
			for i := range 1000 {
				var err error
				if i/300%2 == 0 { // only one way for a while
					err = s.Send(sized(down.next(), more))
				} else {
					err = c.Send(sized(up.next(), more))
				}
				if err != nil {
					t.Fatal(err)
				}
				if e.kind == polling {
					time.Sleep(10 * time.Millisecond)
				}
				synctest.Wait()
				if n, m := socket.SessionDropped(s), socket.SessionDropped(c); n+m > 0 {
					t.Fatalf("message %d: the server does not keep %d that were not acknowledged, and the client %d", i, n, m)
				}
				if i%97 == 96 {
					e.cut()
					time.Sleep(time.Minute)
					e.settle()
				}
			}
			e.settle()
			if c.ID() != s.ID() || !s.IsConnected() {
				t.Errorf("the session has ended: the socket was %s and is %s", s.ID(), c.ID())
			}
			down.wantWhole(t, "to the client")
			up.wantWhole(t, "to the server")
		}, websocket, polling)
	}
}

// A message that is refused for good has no number, and the next one has what would have
// been its.
func TestSessionMessageThatIsRefusedHasNoNumber(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve(socket.WithSendQueue(2<<10, 0))
		c := e.client(socket.WithReconnectAttempts(0))
		var got trace
		socket.On(c, "n", func(i int) { got.add("%d", i) })
		e.connect(c)
		e.settle()
		s, _ := server.GetSocket(c.ID())
		var me *socket.MessageError
		for i := range 3 { // the first is also the first over the connection
			if err := s.Send("n", strings.Repeat("x", 5000)); !errors.As(err, &me) {
				t.Fatalf("Send of what is larger than the queue = %v", err)
			}
			if err := s.Send("n", i); err != nil {
				t.Fatal(err)
			}
		}
		e.settle()
		got.want(t, "0", "1", "2")
		wantSameNumbers(t, c, s, "after messages that were refused")
	}, polling)
}
