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
		id, tokens := nameOf(answer), []string{tokenOf(answer)}
		if err := first.Send([]byte(`{"ack":0}`)); err != nil { // the server knows that its token has come
			t.Fatal(err)
		}
		synctest.Wait()
		first.Abort()
		resume := func(why, token string) (next string) {
			t.Helper()
			p, answer := b.begin(id + "; " + token + "; last=0")
			if nameOf(answer) != id || !strings.Contains(answer, "last=") {
				t.Fatalf("%s: answered %q, want session %s", why, answer, id)
			}
			p.Abort()
			synctest.Wait()
			return tokenOf(answer)
		}
		// This one comes, and nothing that the client says then.
		tokens = append(tokens, resume("the first token", tokens[0]))
		for range 100 {
			tokens = append(tokens, resume("the token that the client has", tokens[1]))
		}
		for _, token := range tokens {
			resume("a token that may have come", token)
		}
		if n := server.Count(); n != 1 {
			t.Errorf("%d sockets", n)
		}
	})
}

// nameOf and tokenOf return the parts of an answer that begins a session.
func nameOf(answer string) string  { return strings.Split(answer, "; ")[0] }
func tokenOf(answer string) string { return strings.Split(answer, "; ")[1] }
