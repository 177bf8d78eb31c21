package socket_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// TestWhatASessionHasNotDeliveredStaysWhatItIs has several clients go without acknowledging
// anything, one after the other, so that each session keeps its messages where the one before
// had its own.
func TestWhatASessionHasNotDeliveredStaysWhatItIs(t *testing.T) {
	server := socket.NewServer(socket.WithLogger(nil))
	ended := make(chan *socket.SessionError, 1)
	var sent [][]socket.Undelivered
	server.HandleFunc(socket.EventConnect, func(s socket.Socket, _ interface{}) {
		var mine []socket.Undelivered
		text := func(p string) {
			mine = append(mine, socket.Undelivered{Data: []byte(fmt.Sprintf(`{"event":"x","data":%q}`, p))})
		}
		for i := range 40 {
			switch p := fmt.Sprintf("%d of client %d", i, len(sent)); i % 4 {
			case 0:
				text(p)
				s.Send("x", p)
			case 1:
				text(p)
				server.Broadcast("x", p) // which is kept apart
			case 2:
				mine = append(mine, socket.Undelivered{Binary: true, Data: []byte(p)})
				s.Send(socket.EventMessage, []byte(p))
			case 3:
				if i == 7 {
					p += strings.Repeat("x", 20<<10) // too large to lie with the others
				}
				text(p)
				s.Send("x", p)
			}
		}
		sent = append(sent, mine)
	})
	server.HandleFunc(socket.EventDisconnect, func(_ socket.Socket, data interface{}) {
		err, _ := data.(error)
		var e *socket.SessionError
		errors.As(err, &e)
		ended <- e
	})
	url := serveUntilEnd(t, server)
	var got []*socket.SessionError
	for range 5 {
		c := bareClient(t, url, "new")
		for range 40 {
			if _, _, err := c.Read(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		c.Close(transport.StatusNormalClosure, "")
		got = append(got, <-ended)
	}
	for i, e := range got {
		if e == nil || len(e.Unknown) != len(sent[i]) || e.Dropped != 0 {
			t.Fatalf("client %d: %v", i, e)
		}
		for j, m := range e.Unknown {
			if want := sent[i][j]; m.Binary != want.Binary || string(m.Data) != string(want.Data) {
				t.Errorf("client %d, message %d: %.60q, want %.60q", i, j, m.Data, want.Data)
			}
		}
	}
}
