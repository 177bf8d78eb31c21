package distributed_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/distributed"
	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/sockettest"
)

// bonded runs a test with a node and its server over both transports, in virtual time.
func bonded(t *testing.T, test func(t *testing.T, n *distributed.Node, net *sockettest.Network)) {
	t.Helper()
	for _, kind := range []sockettest.Kind{sockettest.WebSocket, sockettest.LongPolling} {
		t.Run(string(kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := socket.NewServer(socket.WithLogger(nil))
				socket.Handle(server, "join", func(s socket.Socket, room string) { s.Join(room) })
				socket.Handle(server, "leave", func(s socket.Socket, room string) { s.Leave(room) })
				n := newNode(t, distributed.WithSocketServer(server))
				test(t, n, sockettest.New(t, server, sockettest.WithKind(kind)))
				n.Stop()
			})
		})
	}
}

// settle lets everything happen that happens by itself, the end of sessions included whose
// clients have left without a word.
func settle() {
	time.Sleep(time.Hour)
	synctest.Wait()
}

// guest is a process that notes what comes.
type guest struct {
	got    []string
	reason error // of the latest Down
}

func (g *guest) Handle(p *distributed.Process, m string) error {
	g.got = append(g.got, m)
	if m == "end" {
		return distributed.ErrNormal
	}
	return nil
}

func (g *guest) HandleRoom(p *distributed.Process, e distributed.RoomEvent) error {
	g.got = append(g.got, line(e))
	return nil
}

func (g *guest) HandleDown(p *distributed.Process, d distributed.Down) error {
	g.got, g.reason = append(g.got, "down "+string(d.Process)), d.Reason
	return nil
}

func line(e distributed.RoomEvent) string {
	text := fmt.Sprintf("%s %s %s%s%s", e.Kind, e.Room, e.SocketID, e.Event, string(e.Data))
	if e.Missed > 0 {
		text += fmt.Sprint(" missed ", e.Missed)
	}
	if e.Reason != nil {
		text += " disconnected"
	}
	return text
}

func (g *guest) want(t *testing.T, lines ...string) {
	t.Helper()
	synctest.Wait()
	if !slices.Equal(g.got, lines) {
		t.Errorf("the process was told\n  %s\nwant\n  %s", strings.Join(g.got, "\n  "), strings.Join(lines, "\n  "))
	}
}

func spawnGuest(t *testing.T, n *distributed.Node, opts ...distributed.SpawnOption) (*guest, distributed.Ref[string]) {
	t.Helper()
	g := new(guest)
	r, err := distributed.SpawnHandler(n, g, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return g, r
}

func TestSubscribersAreToldWhatHappensInTheirRoomsAndNobodyElseIs(t *testing.T) {
	bonded(t, func(t *testing.T, n *distributed.Node, net *sockettest.Network) {
		server := n.SocketServer
		g, r := spawnGuest(t, n)
		other, otherRef := spawnGuest(t, n)
		for id, room := range map[distributed.ProcessID]string{r.ID(): "red", otherRef.ID(): "blue"} {
			if err := errors.Join(n.Subscribe(id, room), n.Subscribe(id, room)); err != nil { // once counts
				t.Fatal(err)
			}
		}
		ann := net.Connect("ann")
		ann.Send("join", "red")
		time.Sleep(time.Second)
		id := ann.ID()
		server.BroadcastToRoom("red", "chat", "hello")
		synctest.Wait()
		r.Send("a message in between")
		synctest.Wait()
		server.BroadcastToRoom("red", "chat", 2)
		synctest.Wait()
		ann.Close()
		settle()
		g.want(t, "joined red "+id, `broadcast red chat"hello"`, "a message in between", "broadcast red chat2",
			"left red "+id+" disconnected")
		if err := n.Unsubscribe(r.ID(), "red"); err != nil {
			t.Error(err)
		}
		server.BroadcastToRoom("red", "chat", 3)
		synctest.Wait()
		if len(g.got) != 5 {
			t.Errorf("told after Unsubscribe: %v", g.got[5:])
		}
		other.want(t)
	})
}

func TestAProcessOfAnyMessagesIsToldOfRoomsInHandle(t *testing.T) {
	bonded(t, func(t *testing.T, n *distributed.Node, net *sockettest.Network) {
		var got []distributed.RoomEvent
		id, _ := n.SpawnProcessWithID("watch", func(_ context.Context, _ distributed.ProcessID,
			_ *distributed.Node, m interface{}) error {
			got = append(got, m.(distributed.RoomEvent))
			return nil
		})
		if err := n.Subscribe(id, "red"); err != nil {
			t.Fatal(err)
		}
		n.SocketServer.BroadcastToRoom("red", socket.EventMessage, []byte("bytes"))
		synctest.Wait()
		if len(got) != 1 || got[0].Kind != distributed.RoomBroadcast ||
			string(got[0].Binary) != "bytes" || got[0].Event != "message" {
			t.Errorf("%+v", got)
		}
	})
}

func TestWhoSubscribesInInitKnowsTheMembersAtEveryPlace(t *testing.T) {
	bonded(t, func(t *testing.T, n *distributed.Node, net *sockettest.Network) {
		ann, bob := net.Connect("ann"), net.Connect("bob")
		ann.Send("join", "red")
		time.Sleep(time.Second)
		members := map[string]bool{}
		var w watcher
		w.init = func(p *distributed.Process) {
			all, err := p.SubscribeRoom("red")
			if err != nil {
				t.Error(err)
			}
			for _, s := range all {
				members[s.ID()] = true
			}
			if again, err := p.SubscribeRoom("red"); err != nil || again != nil {
				t.Errorf("a second time: %v, %v", again, err)
			}
		}
		w.on = func(p *distributed.Process, m any) error {
			switch e := m.(distributed.RoomEvent); e.Kind {
			case distributed.RoomJoined:
				members[e.SocketID] = true
			case distributed.RoomLeft:
				delete(members, e.SocketID)
			}
			return nil
		}
		distributed.SpawnHandler[any](n, &w)
		if !members[ann.ID()] || len(members) != 1 {
			t.Errorf("members %v", members)
		}
		bob.Send("join", "red")
		ann.Send("leave", "red")
		settle()
		if !members[bob.ID()] || len(members) != 1 {
			t.Errorf("members %v", members)
		}
	})
}

func TestASubscriptionEndsWithItsProcessBeforeAnybodyIsTold(t *testing.T) {
	bonded(t, func(t *testing.T, n *distributed.Node, net *sockettest.Network) {
		g, r := spawnGuest(t, n, distributed.WithName("room"))
		n.Subscribe("room", "red")
		heir := new(guest)
		distributed.SpawnHandler[any](n, &watcher{
			init: func(p *distributed.Process) { p.Monitor("room") },
			on: func(p *distributed.Process, m any) error {
				// The place of the dead is free for another, which is told alone.
				_, err := distributed.SpawnHandler(n, heir, distributed.WithName("room"))
				return errors.Join(err, n.Subscribe("room", "red"))
			},
		})
		r.Send("end")
		synctest.Wait()
		n.SocketServer.BroadcastToRoom("red", "x", 1)
		heir.want(t, "broadcast red x1")
		g.want(t, "end")
	})
}

func TestAFullMailboxOfASubscriberIsCountedAndHoldsNobodyUp(t *testing.T) {
	for _, tt := range []struct {
		overflow distributed.Overflow
		want     string
		dropped  uint64
	}{
		// One is in hand, and four may wait.
		{distributed.RejectNew, "0 1 2 3 4 10 missed 5", 5},
		{distributed.DropNewest, "0 1 2 3 4 10", 5},
		{distributed.DropOldest, "0 6 7 8 9 10", 5},
	} {
		for _, apart := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				n := newNode(t, distributed.WithSocketServer(socket.NewServer()))
				var got []string
				goOn := make(chan struct{})
				handle := func(_ *distributed.Process, e distributed.RoomEvent) error {
					<-goOn
					got = append(got, strings.TrimPrefix(line(e), "broadcast red x"))
					return nil
				}
				mailbox := distributed.WithMailbox(4, tt.overflow)
				var id distributed.ProcessID
				if apart {
					r, _ := distributed.SpawnHandler(n, roomsOnly(handle), mailbox)
					id = r.ID()
				} else {
					r, _ := distributed.Spawn(n, handle, mailbox)
					id = r.ID()
				}
				if err := n.Subscribe(id, "red"); err != nil {
					t.Fatal(err)
				}
				for i := range 10 {
					n.SocketServer.BroadcastToRoom("red", "x", i) // nobody waits
					synctest.Wait()
				}
				close(goOn)
				synctest.Wait()
				n.SocketServer.BroadcastToRoom("red", "x", 10)
				synctest.Wait()
				if strings.Join(got, " ") != tt.want || n.Stats().Dropped != tt.dropped {
					t.Errorf("overflow %d, apart %v: %q, %d dropped, want %q", tt.overflow, apart, got, n.Stats().Dropped, tt.want)
				}
				n.Stop()
			})
		}
	}
}

// roomsOnly handles events of rooms, and takes other messages.
type roomsOnly func(*distributed.Process, distributed.RoomEvent) error

func (roomsOnly) Handle(*distributed.Process, int) error { return nil }

func (f roomsOnly) HandleRoom(p *distributed.Process, e distributed.RoomEvent) error { return f(p, e) }

func TestAFullMailboxOfASubscriberMayBeItsEnd(t *testing.T) {
	for _, apart := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			n := newNode(t, distributed.WithSocketServer(socket.NewServer()))
			handle := func(p *distributed.Process, _ distributed.RoomEvent) error {
				<-p.Done()
				return nil
			}
			mailbox := distributed.WithMailbox(1, distributed.EndReceiver)
			var id distributed.ProcessID
			if apart {
				r, _ := distributed.SpawnHandler(n, roomsOnly(handle), mailbox)
				id = r.ID()
			} else {
				r, _ := distributed.Spawn(n, handle, mailbox)
				id = r.ID()
			}
			n.Subscribe(id, "red")
			ended := make(chan error, 1)
			go func() { ended <- n.Wait(t.Context(), id) }()
			synctest.Wait()
			for i := range 3 {
				n.SocketServer.BroadcastToRoom("red", "x", i)
				synctest.Wait()
			}
			if err := <-ended; err != distributed.ErrMailboxFull {
				t.Errorf("apart %v: ended with %v", apart, err)
			}
			n.Stop()
		})
	}
}

func TestSubscribeRefusesWhatItCannotDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		alone := newNode(t)
		_, r := spawnGuest(t, alone)
		if err := alone.Subscribe(r.ID(), "red"); err != distributed.ErrNoSocketServer {
			t.Errorf("without a server: %v", err)
		}
		if _, err := alone.Socket("x"); err != distributed.ErrNoSocketServer {
			t.Errorf("without a server: %v", err)
		}
		alone.Stop()
		n := newNode(t, distributed.WithSocketServer(socket.NewServer()))
		ints, _ := distributed.Spawn(n, func(*distributed.Process, int) error { return nil })
		for id, want := range map[distributed.ProcessID]error{
			"nobody":           distributed.ErrProcessNotFound,
			"room@another":     distributed.ErrNoConnection,
			ints.ID():          distributed.ErrMessageType,
			ints.ID() + "@far": distributed.ErrNoConnection,
		} {
			if err := n.Subscribe(id, "red"); err != want {
				t.Errorf("Subscribe(%s) = %v, want %v", id, err, want)
			}
		}
		if err := n.Unsubscribe("nobody", "red"); err != distributed.ErrProcessNotFound {
			t.Errorf("Unsubscribe = %v", err)
		}
		if err := n.Unsubscribe(ints.ID(), "red"); err != nil {
			t.Errorf("Unsubscribe without a subscription = %v", err)
		}
		n.Stop()
	})
}

func TestTheEndOfASocketIsToldBehindTheMessagesThatCameFromIt(t *testing.T) {
	bonded(t, func(t *testing.T, n *distributed.Node, net *sockettest.Network) {
		g, r := spawnGuest(t, n)
		socket.Handle(n.SocketServer, "say", func(s socket.Socket, text string) {
			if text == "0" {
				time.Sleep(2 * time.Second) // the others wait, and the end too
			}
			r.Send(text)
		})
		// A handler that was added to the server after the node was made still comes first.
		n.SocketServer.HandleFunc(socket.EventDisconnect, func(socket.Socket, interface{}) { r.Send("bye") })
		ann := net.Connect("ann")
		id := ann.ID()
		ref, err := n.Socket(id)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := n.Socket(ann.ID()); err != nil || again != ref {
			t.Errorf("the same socket is another process: %v, %v", again, err)
		}
		monitor, _ := distributed.SpawnHandler[any](n, &watcher{on: func(p *distributed.Process, m any) error {
			switch m := m.(type) {
			case distributed.Down:
				r.Send("down " + string(m.Process))
				g.reason = m.Reason
			default:
				p.Monitor(ref.ID())
			}
			return nil
		}})
		monitor.Send("go")
		var want []string
		for i := range 50 {
			ann.Send("say", fmt.Sprint(i))
			want = append(want, fmt.Sprint(i))
		}
		ann.Close()
		settle()
		g.want(t, append(want, "bye", "down "+string(ref.ID()))...)
		var gone *distributed.DisconnectedError
		var ce *socket.ConnectionError
		if !errors.As(g.reason, &gone) || gone.SocketID != id || !errors.As(g.reason, &ce) ||
			!errors.Is(g.reason, distributed.ErrShutdown) {
			t.Errorf("reason %v", g.reason)
		}
		if s := n.Stats(); s.Crashed != 0 {
			t.Errorf("%d crashes", s.Crashed)
		}

		// And whoever comes now is told at once.
		late, err := n.Socket(id)
		if err != distributed.ErrProcessNotFound || late.ID() != ref.ID() {
			t.Errorf("%v, %v", late, err)
		}
		g.got = nil
		monitor.Send("go")
		g.want(t, "down "+string(ref.ID()))
		if !errors.Is(g.reason, distributed.ErrProcessNotFound) {
			t.Errorf("reason %v", g.reason)
		}
		if err := late.Send("x", 1); err != distributed.ErrProcessNotFound {
			t.Errorf("Send = %v", err)
		}
	})
}

func TestASocketIsSentToAsAProcess(t *testing.T) {
	bonded(t, func(t *testing.T, n *distributed.Node, net *sockettest.Network) {
		ann := net.Connect("ann")
		ref, err := n.Socket(ann.ID())
		if err != nil {
			t.Fatal(err)
		}
		ref.Send("a", 1)
		ref.Send("bad", func() {}) // is logged, and ends nothing
		n.Send(ref.ID(), distributed.SocketMessage{Event: "a", Data: "two"})
		ref.SendContext(t.Context(), "a", nil)
		ann.Expect("a", 1)
		ann.Expect("a", "two")
		ann.Expect("a", nil)
	})
}

func TestAProcessThatCrashesTakesTheSocketsThatItIsLinkedToAlong(t *testing.T) {
	bonded(t, func(t *testing.T, n *distributed.Node, net *sockettest.Network) {
		for _, tt := range []struct {
			reason error
			code   int // of the close frame; 0: the socket stays
		}{
			{errors.New("crash"), 4000},
			{fmt.Errorf("banned: %w", socket.DisconnectReason{Code: 4500, Reason: "banned"}), 4500},
			{distributed.ErrShutdown, 0},
			{distributed.ErrNormal, 0},
		} {
			b := net.Browser("page")
			var id string
			for _, s := range n.SocketServer.ToAll().Sockets() {
				id = s.ID()
			}
			ref, err := n.Socket(id)
			if err != nil {
				t.Fatal(err)
			}
			session, _ := distributed.Spawn(n, func(_ *distributed.Process, reason error) error { return reason })
			n.LinkProcesses(session.ID(), ref.ID())
			session.Send(tt.reason)
			if tt.code != 0 {
				if err := b.ExpectDisconnect(); !strings.Contains(err.Error(), fmt.Sprint(tt.code)) {
					t.Errorf("%v: disconnected with %v", tt.reason, err)
				}
			} else {
				b.ExpectNothing(time.Minute)
			}
			b.Close()
			settle()
		}
	})
}

func TestASessionProcessEndsInGoodOrderWithItsSocket(t *testing.T) {
	bonded(t, func(t *testing.T, n *distributed.Node, net *sockettest.Network) {
		ann := net.Connect("ann")
		ref, _ := n.Socket(ann.ID())
		var reason error
		session, _ := distributed.SpawnHandler[any](n, &watcher{
			on:  func(*distributed.Process, any) error { return nil },
			end: func(_ *distributed.Process, r error) { reason = r },
		})
		n.LinkProcesses(session.ID(), ref.ID())
		ann.Faults().Cut()
		time.Sleep(time.Second)
		synctest.Wait()
		if reason != nil {
			t.Errorf("a lost connection of a session has ended the process: %v", reason)
		}
		ref.Send("still", "there")
		ann.Expect("still", "there")
		ann.Close()
		settle()
		var gone *distributed.DisconnectedError
		if !errors.As(reason, &gone) || n.Stats().Crashed != 0 {
			t.Errorf("ended with %v, %d crashes", reason, n.Stats().Crashed)
		}
	})
}

func TestAKilledStandInLeavesTheSocketAloneAndIsFollowedByAnother(t *testing.T) {
	bonded(t, func(t *testing.T, n *distributed.Node, net *sockettest.Network) {
		ann := net.Connect("ann")
		ref, _ := n.Socket(ann.ID())
		n.Kill(ref.ID())
		synctest.Wait()
		next, err := n.Socket(ann.ID())
		if err != nil || next == ref {
			t.Fatalf("%v, %v", next, err)
		}
		next.Send("a", 1)
		ann.Expect("a", 1)
		ann.Close()
		settle()
		if n.Len() != 0 {
			t.Errorf("%d processes are left", n.Len())
		}
	})
}

// A client floods a process that handles a thousand messages a second.
func TestAFloodingClientIsSlowedDownToTheProcessAndNobodyElseIs(t *testing.T) {
	bonded(t, func(t *testing.T, n *distributed.Node, net *sockettest.Network) {
		const mailbox = 16
		var routed, handled atomic.Int64
		distributed.Spawn(n, func(_ *distributed.Process, m string) error {
			time.Sleep(time.Millisecond)
			handled.Add(1)
			return nil
		}, distributed.WithName("slow"), distributed.WithMailbox(mailbox, distributed.RejectNew))
		distributed.Forward(n, "flood", func(_ socket.Socket, text string) (distributed.ProcessID, string) {
			routed.Add(1)
			return "slow", text
		}, func(_ socket.Socket, _ string, err error) { t.Error(err) })
		socket.Handle(n.SocketServer, "echo", func(s socket.Socket, at int64) { s.Send("echo", at) })

		eve, ann := net.Connect("eve"), net.Connect("ann")
		var sent, most, slowest, asked, answered atomic.Int64
		socket.On(ann.Client, "echo", func(at int64) {
			answered.Add(1)
			slowest.Store(max(slowest.Load(), time.Now().UnixNano()-at))
		})
		const flood = 20000
		done := make(chan struct{})
		go func() {
			defer close(done)
			text := strings.Repeat("x", 1<<10)
			for range flood {
				for eve.Client.Send("flood", text) != nil { // its own queue is full
					time.Sleep(time.Millisecond)
				}
				sent.Add(1)
			}
		}()
		for ever := true; ever; {
			select {
			case <-done:
				ever = false
			case <-time.After(100 * time.Millisecond):
				ann.Send("echo", time.Now().UnixNano())
				asked.Add(1)
				most.Store(max(most.Load(), sent.Load()-handled.Load()))
				if waits := routed.Load() - handled.Load(); waits > mailbox+2 { // one in each one's hands
					t.Errorf("%d wait for the process", waits)
				}
			}
		}
		settle()
		if handled.Load() != flood {
			t.Errorf("%d handled of %d", handled.Load(), flood)
		}
		t.Logf("most between client and process: %d; slowest echo of another client: %v",
			most.Load(), time.Duration(slowest.Load()))
		if most.Load() > 2048 {
			t.Errorf("%d messages of 1 KiB between client and process", most.Load())
		}
		if d := time.Duration(slowest.Load()); d > time.Second || answered.Load() != asked.Load() {
			t.Errorf("%d of %d answers for another client, the slowest after %v", answered.Load(), asked.Load(), d)
		}
	})
}

func TestWhatCannotBeForwardedIsTold(t *testing.T) {
	bonded(t, func(t *testing.T, n *distributed.Node, net *sockettest.Network) {
		var failures []error
		distributed.Forward(n, "say", func(_ socket.Socket, to string) (distributed.ProcessID, int) {
			return distributed.ProcessID(to), 1
		}, func(_ socket.Socket, _ string, err error) { failures = append(failures, err) })
		anything := 0
		n.SpawnProcessWithID("anything", func(_ context.Context, _ distributed.ProcessID,
			_ *distributed.Node, m interface{}) error {
			anything += m.(int)
			return nil
		})
		spawnGuest(t, n, distributed.WithName("texts"))
		ann := net.Connect("ann")
		for _, to := range []string{"nobody", "texts", "", "anything", "a@b"} {
			ann.Send("say", to)
		}
		settle()
		want := []error{distributed.ErrProcessNotFound, distributed.ErrMessageType, distributed.ErrNoConnection}
		if !slices.Equal(failures, want) || anything != 1 {
			t.Errorf("%v, and %d for the one that takes anything", failures, anything)
		}
	})
}

func TestForwardWaitsForRoomWhenTheClientHasLeft(t *testing.T) {
	bonded(t, func(t *testing.T, n *distributed.Node, net *sockettest.Network) {
		handled := 0
		distributed.Spawn(n, func(_ *distributed.Process, m int) error {
			time.Sleep(time.Minute)
			handled++
			return nil
		}, distributed.WithName("slow"), distributed.WithMailbox(1, distributed.RejectNew))
		distributed.Forward(n, "say", func(_ socket.Socket, m int) (distributed.ProcessID, int) { return "slow", m }, nil)
		ann := net.Connect("ann")
		for i := range 10 {
			ann.Send("say", i)
		}
		time.Sleep(30 * time.Second) // until the server reads on behind the handler that waits
		if err := ann.Close(); err != nil {
			t.Error(err)
		}
		settle()
		if handled != 10 || n.SocketServer.Count() != 0 {
			t.Errorf("%d handled, %d connections", handled, n.SocketServer.Count())
		}
	})
}
