package socket_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
)

// The policies that schedules broadcast under: the first three of them tell a client of
// everything that it misses.
var schedulePolicies = []socket.Policy{socket.DropNewest(), socket.DropOldest(), socket.KeepLatest(""), socket.Volatile()}

const volatilePolicy = 3

// apart is what one client is sent under policies, by the sockets that it has had.
type apart struct {
	mu     sync.Mutex // guards the fields below
	sent   map[stream]int
	next   map[stream]int // number of the first message that may come
	got    [2]int         // messages that tell of a gap, and volatile ones
	missed int
	wrong  []string
}

// stream are the messages under one policy to one socket.
type stream struct {
	Socket string
	Policy int
}

// apartMessage is a message under a policy.
type apartMessage struct {
	Of   stream
	I    int
	Text string
}

func (a *apart) listen(c *socket.Client) {
	a.sent, a.next = make(map[stream]int), make(map[stream]int)
	for i := range schedulePolicies {
		socket.On(c, fmt.Sprint("under", i), a.receive)
	}
	socket.On(c, socket.EventGap, func(g socket.Gap) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.missed += g.Missed
	})
}

func (a *apart) receive(m apartMessage) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if m.I < a.next[m.Of] || m.I >= a.sent[m.Of] {
		a.wrong = append(a.wrong, fmt.Sprintf("policy %d: message %d came behind %d of %d", m.Of.Policy, m.I, a.next[m.Of]-1, a.sent[m.Of]))
	}
	a.next[m.Of] = m.I + 1
	a.got[m.Of.Policy/volatilePolicy]++
}

// message returns the next message of a stream.
func (a *apart) message(of stream, more int) apartMessage {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sent[of]++
	return apartMessage{of, a.sent[of] - 1, strings.Repeat("x", more)}
}

// want fails the test if something came twice or out of order, or if whole and the client
// was told of other gaps than there are.
func (a *apart) want(t *testing.T, who string, whole bool) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, wrong := range a.wrong {
		t.Errorf("%s: %s", who, wrong)
	}
	var sent [2]int
	for of, n := range a.sent {
		sent[of.Policy/volatilePolicy] += n
	}
	// A volatile message may be lost with its connection.
	came := a.got[0] + a.got[1] + a.missed
	if whole && (came > sent[0]+sent[1] || came < sent[0]+a.got[1]) {
		t.Errorf("%s, under policies: %v received and %d missed, of %v", who, a.got, a.missed, sent)
	}
}

// underPolicies broadcasts under policies to one socket.
func (s *schedule) underPolicies() {
	rng := s.apartRng
	members := s.server.In("room")
	if rng == nil || len(members) == 0 || rng.IntN(2) == 0 {
		return
	}
	m := members[rng.IntN(len(members))]
	p := s.player(m)
	for range rng.IntN(6) {
		kind, more := rng.IntN(len(schedulePolicies)+1), 0
		if rng.IntN(4) == 0 {
			more = rng.IntN(2 << 10)
		}
		if kind == volatilePolicy && !s.volatiles {
			kind = rng.IntN(volatilePolicy)
		}
		m.Join("under")
		if len(s.server.In("under")) == 0 {
			return // it has ended since
		}
		if kind < len(schedulePolicies) {
			data := p.apart.message(stream{m.ID(), kind}, more)
			s.server.Under(schedulePolicies[kind]).BroadcastToRoom("under", fmt.Sprint("under", kind), data)
		} else { // nobody may miss it
			synctest.Wait() // else its handlers may be called in this moment
			if len(s.server.In("under")) == 0 {
				return
			}
			event, data := sized(s.down(m).next(), more)
			s.server.Under(socket.WaitSlow(time.Minute)).BroadcastToRoom("under", event, data)
		}
		m.Leave("under")
		synctest.Wait() // if it was too much, the socket is gone
	}
}

// newApartRng returns what a schedule draws from for underPolicies, and whether volatile
// broadcasts are among them, which nobody is told about who loses them. Schedules that have
// failed before there were any go on as they were.
func newApartRng(seed uint64) (rng *rand.Rand, volatiles bool) {
	for _, s := range plainSeeds {
		if s == seed {
			return nil, false
		}
	}
	rng = rand.New(rand.NewPCG(seed, 5))
	return rng, rng.IntN(2) == 0
}
