package main

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/distributed"
	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/sockettest"
)

// inRooms runs a test with the chat and its rooms, over both transports.
func inRooms(t *testing.T, test func(t *testing.T, net *sockettest.Network, node *distributed.Node)) {
	for _, kind := range []sockettest.Kind{sockettest.WebSocket, sockettest.LongPolling} {
		t.Run(string(kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := socket.NewServer(socket.WithLogger(nil))
				node := distributed.NewNode("chat", distributed.WithSocketServer(server), distributed.WithLogger(nil))
				if err := newChat(node, []string{"lobby", "garden"}); err != nil {
					t.Fatal(err)
				}
				test(t, sockettest.New(t, server, sockettest.WithKind(kind)), node)
				node.Stop()
			})
		})
	}
}

// enters is a client that is in a room and has its history.
func enters(net *sockettest.Network, name, room string) (*sockettest.Client, history) {
	c := net.Connect(name)
	c.Send(eventEnter, entry{room, name})
	return c, sockettest.Expect[history](c, eventHistory)
}

// hears is the text of the next message.
func hears(c *sockettest.Client) string { return sockettest.Expect[message](c, eventChat).Text }

// texts are those of a history.
func texts(h history) []string {
	var all []string
	for _, m := range h.Messages {
		all = append(all, m.Text)
	}
	return all
}

func TestARoomThatCrashesComesBackWithItsHistoryAndNobodyIsDisconnected(t *testing.T) {
	inRooms(t, func(t *testing.T, net *sockettest.Network, node *distributed.Node) {
		ann, _ := enters(net, "ann", "lobby")
		bob, _ := enters(net, "bob", "lobby")
		eve, _ := enters(net, "eve", "garden")
		ids := []string{ann.ID(), bob.ID(), eve.ID()}
		for i := range 3 {
			ann.Send(eventSay, saying{Text: fmt.Sprint("number ", i), Ref: fmt.Sprint(i)})
			hears(ann)
			hears(bob)
		}
		for life := 2; life < 5; life++ {
			bob.Send(eventCrash, "room")
			for _, c := range []*sockettest.Client{ann, bob} {
				c.Expect(eventCrashed, "lobby")
				h := sockettest.Expect[history](c, eventRestarted)
				if got := texts(h); !slices.Equal(got[:3], []string{"number 0", "number 1", "number 2"}) || h.Life != life {
					t.Errorf("life %d came back with %q", h.Life, got)
				}
			}
			bob.Send(eventSay, saying{Text: "still here", Ref: fmt.Sprint("life ", life)})
			if a, b := hears(ann), hears(bob); a != "still here" || b != a {
				t.Errorf("after the crash: %q, %q", a, b)
			}
			time.Sleep(10 * time.Second)
		}
		// A newcomer finds everything.
		_, h := enters(net, "dan", "lobby")
		if len(h.Messages) != 6 || h.Life != 4 {
			t.Errorf("a newcomer finds %+v", h)
		}
		for i, c := range []*sockettest.Client{ann, bob, eve} {
			if s, ok := node.SocketServer.GetSocket(ids[i]); !ok || c.ID() != ids[i] {
				t.Errorf("%s is another socket: %v", c.Name(), s)
			}
		}
		eve.Send(eventSay, saying{Text: "quiet here", Ref: "q"})
		if got := hears(eve); got != "quiet here" { // and of nothing else before
			t.Errorf("in the garden: %q", got)
		}
	})
}

func TestAStoreThatCrashesLosesTheHistoryAndTheRoomKnows(t *testing.T) {
	inRooms(t, func(t *testing.T, net *sockettest.Network, _ *distributed.Node) {
		ann, _ := enters(net, "ann", "lobby")
		ann.Send(eventSay, saying{Text: "remember this", Ref: "1"})
		hears(ann)
		ann.Send(eventCrash, "store")
		if h := sockettest.Expect[history](ann, eventRestarted); len(h.Messages) != 0 || h.Life != 1 {
			t.Errorf("came back with %+v", h)
		}
		ann.Send(eventSay, saying{Text: "and this", Ref: "2"})
		if got := hears(ann); got != "and this" {
			t.Errorf("heard %q", got)
		}
	})
}

func TestWhatIsSaidTwiceUnderOneRefIsSaidOnceAlsoAcrossACrash(t *testing.T) {
	inRooms(t, func(t *testing.T, net *sockettest.Network, _ *distributed.Node) {
		ann, _ := enters(net, "ann", "lobby")
		ann.Send(eventSay, saying{Text: "once", Ref: "1"})
		hears(ann)
		ann.Send(eventCrash, "room")
		ann.Expect(eventCrashed, "lobby")
		ann.Send(eventSay, saying{Text: "while it is down", Ref: "2"}) // which nobody gets
		sockettest.Expect[history](ann, eventRestarted)
		ann.Send(eventSay, saying{Text: "once", Ref: "1"})
		ann.Send(eventSay, saying{Text: "while it is down", Ref: "2"})
		if got := hears(ann); got != "while it is down" {
			t.Errorf("heard %q", got)
		}
		_, h := enters(net, "bob", "lobby")
		if got := texts(h); !slices.Equal(got, []string{"once", "while it is down"}) {
			t.Errorf("the history is %q", got)
		}
	})
}

func TestPeopleAreThoseWhoAreThere(t *testing.T) {
	inRooms(t, func(t *testing.T, net *sockettest.Network, _ *distributed.Node) {
		ann, bob := net.Connect("ann"), net.Connect("bob")
		ann.Send(eventEnter, entry{"lobby", "ann"})
		ann.Expect(eventPeople, people{"lobby", []string{"ann"}})
		bob.Send(eventEnter, entry{"lobby", "bob"})
		ann.Expect(eventPeople, people{"lobby", []string{"ann", "bob"}})
		bob.Send(eventEnter, entry{"garden", "bob"})
		ann.Expect(eventPeople, people{"lobby", []string{"ann"}})
		bob.Send(eventEnter, entry{"lobby", "robert"})
		ann.Expect(eventPeople, people{"lobby", []string{"ann", "robert"}})
		ann.Send(eventCrash, "room")
		sockettest.Expect[history](ann, eventRestarted)
		bob.Close()
		ann.Expect(eventPeople, people{"lobby", []string{"ann"}})
	})
}

func TestWhatMakesNoSenseIsRefused(t *testing.T) {
	inRooms(t, func(t *testing.T, net *sockettest.Network, _ *distributed.Node) {
		c := net.Connect("ann")
		c.Expect(eventRooms, []string{"lobby", "garden"})
		for _, tt := range []struct {
			event string
			data  any
			want  string
		}{
			{eventEnter, entry{"cellar", "ann"}, "there is no such room"},
			{eventEnter, entry{"lobby", " \x00"}, "the name is empty"},
			{eventSay, saying{Text: "hello"}, "enter a room first"},
			{eventSay, saying{Text: ""}, "the message is empty"},
			{eventSay, saying{Text: string(make([]rune, 501))}, "the message is empty"},
		} {
			c.Send(tt.event, tt.data)
			c.Expect(eventError, tt.want)
		}
	})
}
