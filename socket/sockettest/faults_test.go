package sockettest_test

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/sockettest"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

func TestCutConnectionIsMadeAgainAndTheSessionGoesOn(t *testing.T) {
	sockettest.Run(t, newEcho, func(t *testing.T, net *sockettest.Network) {
		ann, bob := net.Connect("ann"), net.Connect("bob")
		if net.Kind() == sockettest.LongPolling {
			// A session of long polling outlives its requests.
			ann.Faults().Cut()
			bob.Send("all", "after the cut")
			ann.Expect("all", "after the cut")
			ann.ExpectNothing(time.Minute)
			return
		}
		id := ann.ID()
		ann.Faults().Cut()
		bob.Send("all", "after the cut")
		if err := ann.ExpectDisconnect(); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("lost by %v, want ECONNRESET", err)
		}
		ann.ExpectConnect()
		ann.Expect("all", "after the cut")
		if ann.ID() != id {
			t.Error("the session does not go on")
		}
		bob.Expect("all", "after the cut")
		bob.ExpectNothing(time.Minute) // the cut was ann's alone
	})
}

func TestDownLastsUntilUp(t *testing.T) {
	sockettest.Run(t, newEcho, func(t *testing.T, net *sockettest.Network) {
		ann := net.Connect("ann", socket.WithReconnectAttempts(0))
		net.Down(nil)
		ann.Within(time.Minute).ExpectDisconnect()
		if err := ann.Within(time.Minute).ExpectError(); !errors.Is(err, syscall.ENETDOWN) {
			t.Errorf("ExpectError() = %v, want ENETDOWN", err)
		}
		if err := net.NewClient("bob", sockettest.Setup{}).Connect(); !errors.Is(err, syscall.ENETDOWN) {
			t.Errorf("Connect = %v, want ENETDOWN", err)
		}
		time.Sleep(30 * time.Second)
		net.Up()
		ann.Within(time.Minute).ExpectConnect()
		ann.Send("echo", 1)
		ann.Expect("echo", 1)
	})
}

func TestDownOfOneIsNotThatOfAnother(t *testing.T) {
	sockettest.Run(t, newEcho, func(t *testing.T, net *sockettest.Network) {
		ann, bob := net.Connect("ann", socket.WithReconnectAttempts(0)), net.Connect("bob")
		wrong := errors.New("the roaming contract has ended")
		ann.Faults().Down(wrong)
		if err := ann.Within(time.Minute).ExpectError(); !errors.Is(err, wrong) {
			t.Errorf("ExpectError() = %v, want %v", err, wrong)
		}
		bob.Send("echo", 1)
		bob.Expect("echo", 1)
		bob.ExpectNothing(time.Minute)
		net.Up() // of everybody: ann has her own
		ann.Within(time.Minute).ExpectError()
		ann.Faults().Up()
		ann.Within(time.Minute).ExpectConnect()
	})
}

func TestRefuseLeavesTheConnectionsThereAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := sockettest.New(t, newEcho())
		ann := net.Connect("ann")
		net.Faults().Refuse(nil)
		ann.Send("echo", 1)
		ann.Expect("echo", 1)
		ann.ExpectNothing(time.Minute)
		if _, err := net.DialBrowser("bob", nil); !errors.Is(err, syscall.ENETDOWN) {
			t.Errorf("DialBrowser = %v, want ENETDOWN", err)
		}
	})
}

func TestStalledMessagesArriveWithResume(t *testing.T) {
	sockettest.Run(t, newEcho, func(t *testing.T, net *sockettest.Network) {
		ann, bob := net.Connect("ann"), net.Connect("bob")
		ann.Faults().Stall()
		bob.Send("all", 1)
		bob.Send("all", 2)
		bob.Expect("all", 1)
		bob.Expect("all", 2)
		ann.ExpectNothing(2 * time.Second)
		ann.Faults().Resume()
		ann.Expect("all", 1)
		ann.Expect("all", 2)
	})
}

func TestStalledConnectionIsGivenUpByBothEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left := make(chan error, 1)
		server := socket.NewServer(socket.WithSessionWindow(-1), socket.WithLogger(nil))
		socket.Handle(server, socket.EventDisconnect, func(_ socket.Socket, reason error) { left <- reason })
		net := sockettest.New(t, server)
		ann := net.Connect("ann")
		ann.Faults().Stall()
		ann.Within(5 * time.Minute).ExpectDisconnect()
		if reason := <-left; !errors.Is(reason, socket.ErrTimeout) {
			t.Errorf("the server gave up because of %v, want a timeout", reason)
		}
	})
}

func TestHalfOpenConnectionIsLostForTheClientOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newEcho()
		net := sockettest.New(t, server)
		page := net.Browser("page")
		page.Faults().HalfOpen()
		if err := page.ExpectDisconnect(); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("lost by %v, want ECONNRESET", err)
		}
		synctest.Wait()
		if n := server.Count(); n != 1 {
			t.Errorf("the server counts %d connections, want the one that it has not missed yet", n)
		}
		time.Sleep(time.Minute)
		if n := server.Count(); n != 0 {
			t.Errorf("the server still counts %d connections after a minute of silence", n)
		}
	})
}

func TestSessionGoesOnWhileItsOldConnectionIsHalfOpen(t *testing.T) {
	sockettest.Run(t, newEcho, func(t *testing.T, net *sockettest.Network) {
		ann, bob := net.Connect("ann"), net.Connect("bob")
		for i := range 5 {
			ann.Faults().HalfOpen()
			bob.Send("all", i)
			ann.Within(time.Minute).Expect("all", i)
		}
		ann.ExpectNothing(time.Minute)
	})
}

func TestDelayIsThatOfEachWay(t *testing.T) {
	sockettest.Run(t, newEcho, func(t *testing.T, net *sockettest.Network) {
		ann := net.Connect("ann")
		ann.Faults().Delay(100 * time.Millisecond)
		for range 3 {
			start := time.Now()
			ann.Send("echo", "x")
			ann.Expect("echo", "x")
			if got := time.Since(start); got != 200*time.Millisecond && net.Kind() == sockettest.WebSocket ||
				got < 200*time.Millisecond || got > 500*time.Millisecond {
				t.Errorf("there and back took %v, want 200ms", got)
			}
		}
		ann.Faults().Delay(0)
		ann.Send("echo", "settled")
		ann.Expect("echo", "settled")
		start := time.Now()
		ann.Send("echo", "x")
		ann.Expect("echo", "x")
		if got := time.Since(start); got > 0 && net.Kind() == sockettest.WebSocket {
			t.Errorf("without delay it took %v", got)
		}
	})
}

func TestDelayHoldsForLaterConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := sockettest.New(t, newEcho())
		net.Faults().Delay(time.Second)
		start := time.Now()
		net.Browser("bob")
		if got := time.Since(start); got != 2*time.Second {
			t.Errorf("a handshake took %v, want 2s: there and back", got)
		}
	})
}

// At whatever byte a connection breaks, in either direction: nothing is lost and nothing
// comes twice.
func TestCutAfterSomeByte(t *testing.T) {
	for n := 0; n < 600; n += 37 {
		for _, direction := range []string{"sent", "received"} {
			t.Run(fmt.Sprint(direction, n), func(t *testing.T) {
				sockettest.Run(t, newEcho, func(t *testing.T, net *sockettest.Network) {
					ann := net.Connect("ann", socket.WithReconnectAttempts(0))
					if direction == "sent" {
						ann.Faults().CutAfter(n)
					} else {
						ann.Faults().CutAfterReceived(n)
					}
					for i := range 10 {
						ann.Send("echo", i)
					}
					for i := range 10 {
						ann.Within(5*time.Minute).Expect("echo", i)
					}
				})
			})
		}
	}
}

func TestCutAfterHoldsForTheNextConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := sockettest.New(t, newEcho())
		for _, fault := range []func(*sockettest.Faults, int){(*sockettest.Faults).CutAfter, (*sockettest.Faults).CutAfterReceived} {
			ann := net.NewClient("ann", sockettest.Setup{})
			fault(ann.Faults(), 100)
			if err := ann.Connect(); err == nil {
				t.Error("Connect over a connection that breaks behind 100 bytes succeeds")
			}
			if err := ann.Connect(); err != nil {
				t.Errorf("Connect over the one after it = %v", err)
			}
		}
	})
}

func TestSlowReaderIsASlowConsumer(t *testing.T) {
	serve := func() *socket.Server {
		server := socket.NewServer(socket.WithSendQueue(256<<10, 100), socket.WithLogger(nil))
		server.HandleFunc("wave", func(socket.Socket, any) { server.Broadcast("wave", strings.Repeat("~", 20<<10)) })
		return server
	}
	synctest.Test(t, func(t *testing.T) {
		net := sockettest.New(t, serve())
		slow := net.Browser("slow")
		slow.Faults().SlowReader(64 << 10)
		quick := net.Connect("quick")
		for range 40 {
			quick.Send("wave", nil)
			sockettest.Expect[string](quick, "wave")
		}
		if err := slow.Within(time.Minute).ExpectDisconnect(); transport.CloseStatus(err) != transport.StatusTryAgainLater {
			t.Errorf("the slow one is closed by %v, want code 1013", err)
		}
	})
}

func TestSlowReaderTakesItsTime(t *testing.T) {
	sockettest.Run(t, newEcho, func(t *testing.T, net *sockettest.Network) {
		ann := net.Connect("ann")
		text := strings.Repeat("x", 10_000)
		ann.Faults().SlowReader(5000)
		start := time.Now()
		ann.Send("echo", text)
		ann.Expect("echo", text)
		if got := time.Since(start); got < 1500*time.Millisecond || got > 3*time.Second {
			t.Errorf("10 KB at 5 KB in a second took %v", got)
		}
	})
}

func TestDuplicatePostsAreHandledOnce(t *testing.T) {
	var posts int
	serve := func() *socket.Server {
		server := newEcho()
		server.HandleFunc("echo", func(socket.Socket, any) { posts++ })
		return server
	}
	synctest.Test(t, func(t *testing.T) {
		net := sockettest.New(t, serve())
		for _, options := range [][]socket.ClientOption{nil, {socket.WithSession(false)}} {
			ann := net.ConnectPolling("ann", options...)
			posts = 0
			ann.Faults().DuplicatePosts(5)
			for i := range 10 {
				ann.Send("echo", i)
				ann.Expect("echo", i)
			}
			ann.ExpectNothing(time.Minute)
			if posts != 10 {
				t.Errorf("%d messages were handled of 10", posts)
			}
		}
	})
}

func TestDuplicatePostsReachTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &counter{h: newEcho()}
		net := sockettest.New(t, h, sockettest.WithServer(h.h, "/"))
		ann := net.ConnectPolling("ann")
		net.Faults().DuplicatePosts(1)
		before := h.posts.Load()
		ann.Send("echo", 1)
		ann.Expect("echo", 1)
		synctest.Wait() // the answer may overtake the second request
		if got := h.posts.Load() - before; got != 2 {
			t.Errorf("%d requests for one message, want 2", got)
		}
		before = h.posts.Load()
		ann.Send("echo", 1)
		ann.Expect("echo", 1)
		synctest.Wait() // the answer may overtake the second request
		if got := h.posts.Load() - before; got != 1 {
			t.Errorf("%d requests for the message after it, want 1", got)
		}
	})
}

// What a test leaves broken does not keep it from ending, and costs no real time.
func TestBrokenConnectionsEndWithTheTest(t *testing.T) {
	for name, fault := range map[string]func(*sockettest.Faults){
		"stall":     (*sockettest.Faults).Stall,
		"half open": (*sockettest.Faults).HalfOpen,
		"down":      func(f *sockettest.Faults) { f.Down(nil) },
		"slow":      func(f *sockettest.Faults) { f.SlowReader(1) },
		"late":      func(f *sockettest.Faults) { f.Delay(time.Hour) },
		"cut":       (*sockettest.Faults).Cut,
	} {
		t.Run(name, func(t *testing.T) {
			sockettest.Run(t, newEcho, func(t *testing.T, net *sockettest.Network) {
				ann := net.Connect("ann")
				net.Browser("bob")
				fault(net.Faults())
				ann.Client.Send("echo", "into the dark")
			})
		})
	}
}
