package socket_test

import (
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// Whatever is sent within a session, plain data and what has methods, short and long, with and
// without escapes: it goes out as encoding/json has it, goes out again as that when the client
// has not got it, and is that in what the disconnect handler gets when nobody fetches it.
func TestSessionSendsWhatJSONSaysAtFirstAgainAndInTheEnd(t *testing.T) {
	for seed := range uint64(20) {
		bubble(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 9))
			server := socket.NewServer(socket.WithSessionWindow(time.Minute))
			ended := make(chan error, 1)
			server.HandleFunc(socket.EventDisconnect, func(_ socket.Socket, reason interface{}) { ended <- reason.(error) })
			b := newBare(t, server)
			p, answer := b.begin("new")
			// It is to be acknowledged with what is sent.
			if err := p.Send([]byte(`{"seq":1,"event":"hello","data":null}`)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			s := socket.Sockets(server)[0]
			var sent []string
			for range 100 {
				data := plainOrNot(rng)
				want, err := json.Marshal(data)
				if err := s.Send("d", data); err != nil {
					t.Fatalf("Send(%T) = %v", data, err)
				}
				if err != nil {
					t.Fatal(err)
				}
				sent = append(sent, `"event":"d","data":`+string(want)+`}`)
			}
			if err := s.Send("d", math.NaN()); err == nil {
				t.Error("Send(NaN) = nil")
			}
			wantAll := func(why string, p *transport.WebSocketTransport) {
				t.Helper()
				for i, want := range sent {
					got, err := p.Receive()
					if err != nil {
						t.Fatalf("%s, seed %d: message %d: %v", why, seed, i+1, err)
					}
					if _, rest, _ := strings.Cut(string(got), `"event":`); `"event":`+rest != want {
						t.Fatalf("%s, seed %d: message %d is\n%s\nwant\n%s", why, seed, i+1, got, want)
					}
				}
			}
			wantAll("at first", p)
			p.Abort()
			synctest.Wait()
			p, _ = b.begin(again(answer))
			wantAll("again", p)
			p.Abort()
			var lost *socket.SessionError
			if err := <-ended; !errors.As(err, &lost) {
				t.Fatalf("seed %d: it ended with %v", seed, err)
			}
			if len(lost.Unknown) != len(sent) || lost.Dropped != 0 {
				t.Fatalf("seed %d: %d messages are unknown, %d dropped, want %d", seed, len(lost.Unknown), lost.Dropped, len(sent))
			}
			for i, m := range lost.Unknown {
				if string(m.Data) != "{"+sent[i] || m.Binary {
					t.Errorf("in the end, seed %d: message %d is\n%s\nwant\n{%s", seed, i+1, m.Data, sent[i])
				}
			}
		})
	}
}

// plainOrNot returns data of any kind.
func plainOrNot(rng *rand.Rand) any {
	long := []int{10, 100, 1000, 1030, 3000}[rng.IntN(5)]
	switch rng.IntN(9) {
	case 0:
		return nil
	case 1:
		return rng.Int64()
	case 2:
		return -rng.Float64() * 1e-300
	case 3:
		return json.RawMessage(` { "raw" : [1, 2, "` + strings.Repeat("r", rng.IntN(long)) + `"] } `)
	case 4:
		return map[string]string{"of": strings.Repeat("methods", rng.IntN(long)/7)}
	case 5:
		return strings.Repeat("<\x00\"", rng.IntN(long)) // six bytes for one
	case 6:
		return strings.Repeat("ü\xff", rng.IntN(long)/3)
	}
	return strings.Repeat("s", rng.IntN(long))
}
