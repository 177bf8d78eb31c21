package socket_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// slowOne is a client behind a network that can be dammed up, over which it takes nothing.
type slowOne struct {
	e   *env
	c   *socket.Client
	s   socket.Socket
	got trace

	session bool
}

// runSlow runs a test with a slow client of each kind, with and without a session, of a
// server whose queue has room for 16 messages: a client keeps up with fewer than 4, and 11
// more may wait.
func runSlow(t *testing.T, test func(t *testing.T, d *slowOne), opts ...socket.ServerOption) {
	t.Helper()
	for _, session := range []bool{false, true} {
		t.Run(fmt.Sprintf("session=%t", session), func(t *testing.T) {
			run(t, func(t *testing.T, e *env) {
				e.serve(append([]socket.ServerOption{socket.WithSendQueue(0, 16)}, opts...)...)
				d := &slowOne{e: e, c: e.client(socket.WithSession(session)), session: session}
				e.server.HandleFunc(socket.EventConnect, func(s socket.Socket, _ interface{}) {
					s.Join("room")
					s.Join("other")
				})
				socket.On(d.c, "x", func(text string) { d.got.add("%.6s", text) })
				socket.On(d.c, socket.EventMessage, func(p []byte) { d.got.add("bytes %s", p) })
				socket.On(d.c, socket.EventGap, func(g socket.Gap) { d.got.add("gap %d %s", g.Missed, g.Room) })
				e.connect(d.c)
				e.settle()
				d.s, _ = e.server.GetSocket(d.c.ID())
				test(t, d)
			}, websocket, polling)
		})
	}
}

// dam lets nothing through any more. One message is on its way, which fills the network.
func (d *slowOne) dam() {
	d.e.stall()
	d.e.server.BroadcastParallel("x", strings.Repeat("f", 70_000))
	synctest.Wait()
}

// open lets everything through that waits, and waits until it is there.
func (d *slowOne) open() {
	d.resume()
	d.e.settle()
}

func (d *slowOne) resume() { d.e.net.Faults().Resume() }

// numbers are the texts from one number to another.
func numbers(from, to int) (texts []string) {
	for i := from; i <= to; i++ {
		texts = append(texts, fmt.Sprint(i))
	}
	return texts
}

// lines puts lists of lines together, and single lines.
func lines(parts ...any) (all []string) {
	for _, p := range parts {
		if list, ok := p.([]string); ok {
			all = append(all, list...)
		} else {
			all = append(all, p.(string))
		}
	}
	return all
}

var policyCases = []struct {
	name   string
	policy socket.Policy
	want   []string // for the messages 0 to 99, when nothing but 0 to 2 has room
	stats  socket.SlowStats
}{
	{
		name: "drop newest", policy: socket.DropNewest(),
		want:  lines("ffffff", numbers(0, 13), "gap 86 room"),
		stats: socket.SlowStats{DroppedNewest: 86},
	},
	{
		name: "drop oldest", policy: socket.DropOldest(),
		want:  lines("ffffff", numbers(0, 2), "gap 86 room", numbers(89, 99)),
		stats: socket.SlowStats{DroppedOldest: 86},
	},
	{
		name: "keep latest", policy: socket.KeepLatest(""),
		want:  lines("ffffff", numbers(0, 2), "gap 96 room", "99"),
		stats: socket.SlowStats{Replaced: 96},
	},
	{
		name: "volatile", policy: socket.Volatile(),
		want:  lines("ffffff", numbers(0, 2), "gap 97 room"),
		stats: socket.SlowStats{DroppedVolatile: 97},
	},
}

// A slow client gets what its policy lets it have, in the order of sending, and a gap
// marker with the number of messages in the place of what it has missed: whether the
// policy is that of the server, of the room, or of the message.
func TestPolicyDecidesWhatASlowClientGets(t *testing.T) {
	for _, tt := range policyCases {
		for _, way := range []string{"server", "room", "message"} {
			t.Run(tt.name+"/"+way, func(t *testing.T) {
				serverPolicy := socket.Policy{}
				if way == "server" {
					serverPolicy = tt.policy
				}
				runSlow(t, func(t *testing.T, d *slowOne) {
					server := d.e.server
					send := server.BroadcastToRoom
					switch way {
					case "room":
						server.SetRoomPolicy("room", tt.policy)
					case "message":
						send = server.Under(tt.policy).BroadcastToRoom
					}
					d.dam()
					for i := range 100 {
						if err := send("room", "x", fmt.Sprint(i)); err != nil {
							t.Fatal(err)
						}
					}
					synctest.Wait()
					d.open()
					d.got.want(t, tt.want...)
					if got := server.SlowStats(); got != tt.stats {
						t.Errorf("counted %+v, want %+v", got, tt.stats)
					}
					if bytes, messages := d.s.Buffered(); messages > 1 || bytes > 100 {
						t.Errorf("%d bytes in %d messages are left", bytes, messages) // one may be unacknowledged
					}
					send("room", "x", "after")
					d.e.settle()
					d.got.want(t, lines(tt.want, "after")...)
				}, socket.WithSlowPolicy(serverPolicy))
			})
		}
	}
}

// A client that keeps up gets everything, whatever the policy.
func TestPolicyIsForSlowClientsOnly(t *testing.T) {
	for _, tt := range append(policyCases[:len(policyCases):len(policyCases)], policyCases[0]) {
		t.Run(tt.name, func(t *testing.T) {
			runSlow(t, func(t *testing.T, d *slowOne) {
				for i := range 100 {
					d.e.server.Broadcast("x", fmt.Sprint(i))
					d.e.settle()
				}
				d.got.want(t, numbers(0, 99)...)
				if got := d.e.server.SlowStats(); got != (socket.SlowStats{}) {
					t.Errorf("counted %+v", got)
				}
			}, socket.WithSlowPolicy(tt.policy))
		})
	}
}

// Each key keeps its latest message, in the place of the one before, and the same key of
// another room is another.
func TestKeepLatestKeepsOneOfEachKeyAndRoom(t *testing.T) {
	runSlow(t, func(t *testing.T, d *slowOne) {
		d.dam()
		server := d.e.server
		for i := range 3 {
			server.Broadcast("x", fmt.Sprint(i))
		}
		a, b := server.Under(socket.KeepLatest("a")), server.Under(socket.KeepLatest("b"))
		for i := range 5 {
			a.BroadcastToRoom("room", "x", fmt.Sprint("a", i))
			b.BroadcastToRoom("room", "x", fmt.Sprint("b", i))
			a.BroadcastToRoom("other", "x", fmt.Sprint("o", i))
			a.Broadcast("x", fmt.Sprint("e", i))
		}
		synctest.Wait()
		d.open()
		d.got.want(t, lines("ffffff", numbers(0, 2), "gap 4 room", "a4", "gap 4 room", "b4", "gap 4 other", "o4", "gap 4 ", "e4")...)
	})
}

// What else is sent to a socket for which something waits comes in the order of the calls,
// and is not dropped.
func TestPolicyKeepsTheOrderOfEverythingElse(t *testing.T) {
	runSlow(t, func(t *testing.T, d *slowOne) {
		d.dam()
		server := d.e.server
		oldest := server.Under(socket.DropOldest())
		for i := range 6 {
			oldest.BroadcastToRoom("room", "x", fmt.Sprint(i))
		}
		server.Broadcast("x", "all")
		if err := d.s.Send("x", "alone"); err != nil {
			t.Error(err)
		}
		if err := d.s.Send(socket.EventMessage, []byte("alone")); err != nil {
			t.Error(err)
		}
		for i := 6; i < 20; i++ {
			oldest.BroadcastToRoom("other", "x", fmt.Sprint(i))
		}
		synctest.Wait()
		d.open()
		// 11 may wait: 3 that are not dropped, and 8.
		d.got.want(t, lines("ffffff", numbers(0, 2), "gap 3 room", "all", "alone", "bytes alone", "gap 6 other", numbers(12, 19))...)
	})
}

// A client is closed, as ever, for what it must not miss, when that fills all the room.
func TestClientIsClosedForWhatItMustNotMiss(t *testing.T) {
	runSlow(t, func(t *testing.T, d *slowOne) {
		reasons := make(chan error, 1)
		socket.Handle(d.e.server, socket.EventDisconnect, func(_ socket.Socket, reason error) { reasons <- reason })
		d.dam()
		for i := range 10 {
			d.e.server.Under(socket.DropNewest()).Broadcast("x", fmt.Sprint(i))
		}
		for i := range 20 {
			d.e.server.Broadcast("x", fmt.Sprint("sure ", i))
		}
		synctest.Wait()
		if reason := <-reasons; transport.CloseStatus(reason) != transport.StatusTryAgainLater {
			t.Errorf("disconnect got %v, want close code 1013", reason)
		}
		if got := d.e.server.SlowStats(); got != (socket.SlowStats{Closed: 1}) {
			t.Errorf("counted %+v", got)
		}
	})
}

// Close sends what waits.
func TestCloseSendsWhatWaits(t *testing.T) {
	runSlow(t, func(t *testing.T, d *slowOne) {
		d.dam()
		for i := range 30 {
			d.e.server.Under(socket.DropOldest()).BroadcastToRoom("room", "x", fmt.Sprint(i))
		}
		synctest.Wait()
		d.s.Close()
		d.open()
		d.got.want(t, lines("ffffff", numbers(0, 2), "gap 16 room", numbers(19, 29))...)
	})
}

// Under WaitSlow a broadcast waits until the slowest client has room for it.
func TestWaitSlowWaitsUntilTheClientReads(t *testing.T) {
	runSlow(t, func(t *testing.T, d *slowOne) {
		d.dam()
		wait := d.e.server.Under(socket.WaitSlow(5 * time.Second))
		began := time.Now()
		for i := range 3 {
			wait.Broadcast("x", fmt.Sprint(i))
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("it waited for %v for a client with room", took)
		}
		time.AfterFunc(2*time.Second, d.resume)
		wait.Broadcast("x", "3")
		if took := time.Since(began); took < 2*time.Second || took > 4*time.Second {
			t.Errorf("it waited for %v, want 2 s", took)
		}
		d.e.settle()
		d.got.want(t, lines("ffffff", numbers(0, 3))...)
	})
}

// And closes those for which that takes too long.
func TestWaitSlowClosesWhoDoesNotReadInTime(t *testing.T) {
	runSlow(t, func(t *testing.T, d *slowOne) {
		d.dam()
		wait := d.e.server.Under(socket.WaitSlow(2 * time.Second))
		began := time.Now()
		for i := range 4 {
			wait.Broadcast("x", fmt.Sprint(i))
		}
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("it waited for %v, want 2 s", took)
		}
		synctest.Wait()
		if d.s.IsConnected() || d.e.server.SlowStats().Closed != 1 {
			t.Errorf("connected = %t, counted %+v: want it closed as slow", d.s.IsConnected(), d.e.server.SlowStats())
		}
	})
}

// Send waits behind what waits, for the write timeout at most.
func TestSendWaitsBehindWhatWaits(t *testing.T) {
	runSlow(t, func(t *testing.T, d *slowOne) {
		d.dam()
		for i := range 50 {
			d.e.server.Under(socket.DropNewest()).BroadcastToRoom("room", "x", fmt.Sprint(i))
		}
		began := time.Now()
		time.AfterFunc(2*time.Second, d.resume)
		if err := d.s.Send("x", "alone"); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took < 2*time.Second {
			t.Errorf("Send took %v: there was no room before 2 s", took)
		}
		d.e.settle()
		got := d.got.all()
		want := lines("ffffff", numbers(0, 13), "gap 36 room", "alone")
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// A volatile message is sent to who keeps up, and else not at all, without waiting.
func TestSendVolatileNeverWaits(t *testing.T) {
	runSlow(t, func(t *testing.T, d *slowOne) {
		volatile := func(text string, want bool) {
			t.Helper()
			began := time.Now()
			sent, err := d.s.SendVolatile("x", text)
			if sent != want || err != nil || time.Since(began) != 0 {
				t.Errorf("SendVolatile = %t, %v after %v, want %t", sent, err, time.Since(began), want)
			}
		}
		volatile("1", true)
		if sent, err := d.s.SendVolatile(socket.EventMessage, []byte("2")); !sent || err != nil {
			t.Errorf("SendVolatile of bytes = %t, %v", sent, err)
		}
		d.e.settle()
		d.dam()
		volatile("3", true)
		volatile("4", true)
		volatile("5", true)
		volatile("6", false)
		d.open()
		volatile("7", true)
		d.e.settle()
		d.got.want(t, "1", "bytes 2", "ffffff", "3", "4", "5", "7")
		if got := d.e.server.SlowStats(); got != (socket.SlowStats{DroppedVolatile: 1}) {
			t.Errorf("counted %+v", got)
		}
		var merr *socket.MessageError
		if sent, err := d.s.SendVolatile("x", func() {}); sent || !errors.As(err, &merr) {
			t.Errorf("SendVolatile of a function = %t, %v", sent, err)
		}
		d.s.Close()
		if sent, err := d.s.SendVolatile("x", "8"); sent || !errors.Is(err, socket.ErrConnectionClosed) {
			t.Errorf("SendVolatile after Close = %t, %v", sent, err)
		}
	})
}

// OnDrain is called once each time a queue that was more than half full has become less
// than a quarter full.
func TestOnDrainTellsThatAQueueIsEmptyAgain(t *testing.T) {
	for _, policy := range []socket.Policy{{}, socket.DropOldest()} {
		runSlow(t, func(t *testing.T, d *slowOne) {
			var tr trace
			d.e.server.OnDrain(func(s socket.Socket) {
				_, n := s.Buffered()
				tr.add("drain %t %t", s == d.s, n < 4)
			})
			for range 2 {
				d.dam()
				for i := range 6 {
					d.e.server.Broadcast("x", fmt.Sprint(i))
				}
				synctest.Wait()
				d.open()
			}
			tr.want(t) // it was never half full
			for range 2 {
				d.dam()
				for i := range 12 {
					d.e.server.Broadcast("x", fmt.Sprint(i))
				}
				synctest.Wait()
				if _, n := d.s.Buffered(); n != 13 {
					t.Errorf("%d messages wait, want 13", n)
				}
				tr.add("open")
				d.open()
			}
			tr.want(t, "open", "drain true true", "open", "drain true true")
		}, socket.WithSlowPolicy(policy))
	}
}

// While a session has no connection a policy applies to what is kept for the next one.
func TestPolicyAppliesToASessionWithoutAConnection(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve(socket.WithSendQueue(0, 16), socket.WithSessionBuffer(0, 16), socket.WithSlowPolicy(socket.DropOldest()))
		var got trace
		c := e.client(socket.WithReconnectAttempts(0))
		socket.On(c, "x", func(text string) { got.add("%s", text) })
		socket.On(c, socket.EventGap, func(g socket.Gap) { got.add("gap %d", g.Missed) })
		e.connect(c)
		e.settle()
		id := c.ID()
		e.setDown(errors.New("no network"))
		s, _ := server.GetSocket(id)
		socket.Cut(s)
		synctest.Wait()
		for i := range 100 {
			server.Broadcast("x", fmt.Sprint(i))
			synctest.Wait()
		}
		server.Under(socket.Volatile()).Broadcast("x", "volatile")
		synctest.Wait()
		if _, n := s.Buffered(); n == 0 || n > 17 {
			t.Errorf("%d messages wait", n)
		}
		e.setDown(nil)
		time.Sleep(time.Minute)
		if c.ID() != id {
			t.Fatal("the session did not go on")
		}
		kept := got.all()
		i := slices.IndexFunc(kept, func(line string) bool { return strings.HasPrefix(line, "gap") })
		want := lines(numbers(0, i-1), fmt.Sprint("gap ", 89-i), numbers(89, 99), "gap 1")
		if i < 4 || !slices.Equal(kept, want) {
			t.Errorf("got %q, want %q", kept, want)
		}
	}, websocket, polling)
}

// What waits is counted against the memory budget until it is sent or the client is gone,
// and takes no more than there is.
func TestWhatWaitsCountsAgainstTheMemoryBudget(t *testing.T) {
	text := strings.Repeat("m", 8<<10)
	for _, lost := range []bool{false, true} {
		runSlow(t, func(t *testing.T, d *slowOne) {
			d.dam()
			before := socket.MemoryUsed(d.e.server)
			for range 30 {
				d.e.server.Under(socket.DropOldest()).Broadcast("x", text)
			}
			synctest.Wait()
			if held := socket.MemoryUsed(d.e.server) - before; held < 11*8<<10 || held > 25*8<<10 {
				t.Errorf("%d bytes are counted for 11 messages that wait, 3 in the queue, and what a session keeps of them", held)
			}
			if lost {
				d.e.setDown(errors.New("no network"))
				d.e.cut()
				d.c.Close()
				time.Sleep(5 * time.Minute)
			} else {
				d.open()
				time.Sleep(10 * time.Second)
			}
			synctest.Wait()
			if used := socket.MemoryUsed(d.e.server); used > 4<<10 {
				t.Errorf("%d bytes are counted when nothing waits", used)
			}
			d.e.setDown(nil)
		})
		runSlow(t, func(t *testing.T, d *slowOne) {
			d.dam()
			for range 30 {
				d.e.server.Under(socket.DropOldest()).Broadcast("x", text)
			}
			synctest.Wait()
			if used := socket.MemoryUsed(d.e.server); used > 250<<10 {
				t.Errorf("%d bytes are used, and 200 KiB are the budget", used)
			}
			d.open()
			came, missed := 0, 0
			for _, line := range d.got.all()[1:] {
				if n := 0; line == "mmmmmm" {
					came++
				} else if _, err := fmt.Sscanf(line, "gap %d", &n); err == nil {
					missed += n
				}
			}
			if came+missed != 30 || came == 30 || !d.s.IsConnected() {
				t.Errorf("%d messages came, and %d were missed, of 30", came, missed)
			}
		}, socket.WithMemoryBudget(200<<10))
	}
}

func TestImpossiblePoliciesPanic(t *testing.T) {
	for name, f := range map[string]func(){
		"WaitSlow":        func() { socket.WaitSlow(0) },
		"OnDrain":         func() { socket.NewServer().OnDrain(nil) },
		"WithReturnDelay": func() { socket.NewServer(socket.WithReturnDelay(2, 1)) },
	} {
		func() {
			defer func() {
				if text, ok := recover().(string); !ok || !strings.Contains(text, name) {
					t.Errorf("%s: panicked with %q, want its name", name, text)
				}
			}()
			f()
		}()
	}
}
