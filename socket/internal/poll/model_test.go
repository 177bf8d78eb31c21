package poll_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/internal/poll"
)

// world is a server and a client with a network between them that loses, repeats
// and reorders requests and answers, as the script says.
type world struct {
	t      *testing.T
	server poll.Session
	client poll.Link
	closed bool // the server has closed the session

	// The model: what was pushed, and what came out.
	toClient, toServer   []string
	atClient, atServer   []string
	parked               []uint64 // the polls that were not answered
	polls                []uint64 // on their way to the server: their acknowledgements
	posts                []post
	answers              []answer // on their way to the client
	acks                 []uint64
	told                 bool // the client was told the close
	serverFull, clntFull int
}

type post struct {
	first uint64
	batch []poll.Message
}

type answer struct {
	first  uint64
	batch  []poll.Message
	closed bool
}

func newWorld(t *testing.T) *world {
	queue := poll.QueueLimits{Messages: 12, Bytes: 64}
	limits := poll.Limits{Messages: 3, Body: 24, Message: 20}
	return &world{t: t, server: poll.NewSession(queue, limits), client: poll.NewLink(queue, limits)}
}

// step lets one thing happen. op chooses what, arg which.
func (w *world) step(op, arg byte) {
	switch op % 10 {
	case 0, 1: // the server sends
		s := fmt.Sprintf("s%d%.*s", len(w.toClient), arg%9, "________")
		switch err := w.server.Push(text(s)); {
		case err == nil:
			w.toClient = append(w.toClient, s)
		case errors.Is(err, poll.ErrFull):
			w.serverFull++
		case !w.closed || !errors.Is(err, poll.ErrClosed):
			w.t.Fatalf("the server's Push = %v", err)
		}
	case 2, 3: // the client sends
		s := fmt.Sprintf("c%d%.*s", len(w.toServer), arg%9, "________")
		switch err := w.client.Push(poll.Message{Binary: arg%2 == 0, Data: []byte(s)}); {
		case err == nil:
			w.toServer = append(w.toServer, s)
		case errors.Is(err, poll.ErrFull):
			w.clntFull++
		default:
			w.t.Fatalf("the client's Push = %v", err)
		}
	case 4: // the client polls
		w.polls = append(w.polls, w.client.Received())
	case 5: // the client posts
		if first, batch := w.client.Batch(nil); len(batch) > 0 {
			w.posts = append(w.posts, post{first, batch})
		}
	case 6: // a poll arrives
		if ack, ok := take(&w.polls, arg); ok {
			w.arrivePoll(ack)
		}
	case 7: // a POST arrives
		if p, ok := take(&w.posts, arg); ok {
			w.arrivePost(p)
		}
	case 8: // an answer arrives
		if a, ok := take(&w.answers, arg); ok {
			w.arriveAnswer(a)
		}
		if ack, ok := take(&w.acks, arg); ok {
			if err := w.client.Posted(ack); err != nil {
				w.t.Fatalf("Posted(%d) = %v", ack, err)
			}
		}
	case 9: // time is over for a poll, or the server closes
		switch {
		case arg == 0xFF:
			if w.server.Close(1001, "end") == w.closed {
				w.t.Fatal("Close did not say whether it was the first")
			}
			w.closed = true
		case len(w.parked) > 0:
			w.server.Leave(w.parked[int(arg)%len(w.parked)])
		}
	}
	w.settle()
}

// take removes an element of a slice, or leaves it there to come once more.
func take[T any](from *[]T, arg byte) (v T, ok bool) {
	if len(*from) == 0 {
		return v, false
	}
	i := int(arg>>2) % len(*from)
	v = (*from)[i]
	switch arg & 3 {
	case 0: // it is lost
		ok = false
	case 1: // it comes once more later
		return v, true
	default:
		ok = true
	}
	*from = append((*from)[:i:i], (*from)[i+1:]...)
	return v, ok
}

func (w *world) arrivePoll(ack uint64) {
	generation, err := w.server.Poll(ack)
	var refused *poll.AckError
	switch {
	case err == nil:
		w.parked = append(w.parked, generation)
	case !errors.As(err, &refused):
		w.t.Fatalf("Poll(%d) = %v", ack, err)
	}
}

func (w *world) arrivePost(p post) {
	skip, err := w.server.Skip(p.first, len(p.batch))
	if err != nil {
		if !w.closed || !errors.Is(err, poll.ErrClosed) {
			w.t.Fatalf("Skip(%d, %d) = %v", p.first, len(p.batch), err)
		}
		return
	}
	for _, m := range p.batch[skip:] {
		if err := w.server.Take(); err != nil {
			w.t.Fatalf("Take = %v", err)
		}
		w.atServer = arrived(w.t, "the server", w.atServer, w.toServer, m)
	}
	w.acks = append(w.acks, w.server.Received())
}

func (w *world) arriveAnswer(a answer) {
	if a.closed {
		w.told = true
		return
	}
	skip, err := w.client.Receive(a.first, len(a.batch))
	if err != nil {
		w.t.Fatalf("Receive(%d, %d) = %v", a.first, len(a.batch), err)
	}
	for _, m := range a.batch[skip:] {
		w.atClient = arrived(w.t, "the client", w.atClient, w.toClient, m)
	}
}

// settle lets every poll look again, and checks what must hold at any time.
func (w *world) settle() {
	var parked []uint64
	for _, generation := range w.parked {
		a, first, batch := w.server.Next(generation, nil)
		switch a {
		case poll.AnswerNothing:
			parked = append(parked, generation)
		case poll.AnswerMessages:
			w.answers = append(w.answers, answer{first: first, batch: batch})
		case poll.AnswerClosed:
			if !w.closed {
				w.t.Fatal("a poll was told a close that was not")
			}
			w.answers = append(w.answers, answer{closed: true})
		}
	}
	w.parked = parked
	if len(parked) > 1 {
		w.t.Fatalf("%d polls are parked", len(parked))
	}
	if w.server.Waiting() != (len(parked) == 1) {
		w.t.Fatalf("Waiting = %v with %d parked polls", w.server.Waiting(), len(parked))
	}
	if n, size := w.server.Queued(); n > 12 || size > 64 {
		w.t.Fatalf("the server queues %d messages, %d bytes", n, size)
	}
}

// arrived adds a message to those that came out, and checks that it is the next
// of those that were sent.
func arrived(t *testing.T, who string, got, sent []string, m poll.Message) []string {
	t.Helper()
	n := len(got)
	if n >= len(sent) || string(m.Data) != sent[n] {
		t.Fatalf("%s got %v as message %d, sent was %q", who, m, n+1, sent)
	}
	return append(got, sent[n])
}

// heal lets the network work until everything has arrived.
func (w *world) heal() {
	const arrives = 2 // takes the first, once
	w.polls, w.posts, w.answers, w.acks = nil, nil, nil, nil
	for range 30 {
		if len(w.atClient) == len(w.toClient) && len(w.atServer) == len(w.toServer) && w.told == w.closed {
			return
		}
		w.step(4, 0)
		w.step(6, arrives)
		w.step(5, 0)
		w.step(7, arrives)
		w.step(8, arrives)
	}
	if len(w.atClient) != len(w.toClient) {
		w.t.Fatalf("the client got %d of %d messages", len(w.atClient), len(w.toClient))
	}
	if w.told != w.closed {
		w.t.Fatalf("closed is %v, the client was told %v", w.closed, w.told)
	}
	if !w.closed && len(w.atServer) != len(w.toServer) {
		w.t.Fatalf("the server got %d of %d messages", len(w.atServer), len(w.toServer))
	}
}

// run plays a script, two bytes a step.
func (w *world) run(script []byte) {
	for i := 0; i+1 < len(script); i += 2 {
		w.step(script[i], script[i+1])
	}
	w.heal()
}

func TestExactlyOnceInOrderWhateverTheNetworkDoes(t *testing.T) {
	runs := 1000
	if testing.Short() {
		runs = 100
	}
	var delivered, full, closed int
	for seed := range runs {
		random := rand.New(rand.NewPCG(uint64(seed), 1))
		script := make([]byte, 2*random.IntN(300))
		for i := range script {
			script[i] = byte(random.Uint32())
			if i%2 == 1 && script[i] == 0xFF && random.IntN(2) > 0 {
				script[i] = 0 // fewer closes, so that more of the script counts
			}
		}
		w := newWorld(t)
		w.run(script)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
		delivered += len(w.atClient) + len(w.atServer)
		full += w.serverFull + w.clntFull
		if w.closed {
			closed++
		}
	}
	if delivered == 0 || full == 0 || closed == 0 {
		t.Errorf("the scripts reach too little: %d messages, %d times full, %d closes", delivered, full, closed)
	}
	t.Logf("%d messages, %d times a full queue, %d closes", delivered, full, closed)
}

func FuzzSessionModel(f *testing.F) {
	f.Add([]byte{0, 0, 4, 0, 6, 2, 8, 0, 4, 0, 6, 2, 8, 2})          // a lost answer
	f.Add([]byte{2, 0, 5, 0, 7, 1, 7, 1, 8, 2})                      // a POST twice
	f.Add([]byte{4, 0, 6, 2, 4, 0, 6, 2, 0, 0, 8, 2})                // a poll superseded
	f.Add([]byte{0, 0, 9, 0xFF, 4, 0, 6, 2, 8, 2})                   // a close
	f.Add([]byte{0, 8, 0, 8, 0, 8, 0, 8, 0, 8, 0, 8, 0, 8, 0, 8, 4}) // a full queue
	f.Add([]byte{2, 0, 2, 0, 5, 0, 2, 0, 5, 0, 7, 6, 7, 2, 8, 6, 8}) // POSTs reordered
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 2000 {
			return
		}
		newWorld(t).run(script)
	})
}
