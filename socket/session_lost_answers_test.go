package socket_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/kleeedolinux/socket.go/socket"
)

// A client goes on with the token that it has, however often the answers are lost that bring
// another one: the server hears nothing over the connections that it has made for it.
func TestSessionOutlivesAnyNumberOfAnswersThatAreLost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		server := socket.NewServer()
		b := newBare(t, server)
		first, answer := b.begin("new")
		id, _, _ := strings.Cut(answer, "; ")
		offers := []string{again(answer)}
		if err := first.Send([]byte(`{"ack":0}`)); err != nil { // the server knows that its token has come
			t.Fatal(err)
		}
		synctest.Wait()
		first.Abort()
		resume := func(why, offer string) (next string) {
			t.Helper()
			p, answer := b.begin(offer)
			if !strings.HasPrefix(answer, id+"; ") || !strings.Contains(answer, "last=") {
				t.Fatalf("%s: answered %q, want session %s", why, answer, id)
			}
			p.Abort()
			synctest.Wait()
			return again(answer)
		}
		// This one comes, and nothing that the client says then.
		offers = append(offers, resume("the first token", offers[0]))
		for range 100 {
			offers = append(offers, resume("the token that the client has", offers[1]))
		}
		for _, offer := range offers {
			resume("a token that may have come", offer)
		}
		if n := server.Count(); n != 1 {
			t.Errorf("%d sockets", n)
		}
	})
}
