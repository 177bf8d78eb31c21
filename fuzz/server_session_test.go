package fuzz

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// The first bytes of the steps of a script of [FuzzServerSession].
const (
	hostileOpens   = iota // a connection with a new session
	hostileResumes        // one that offers to go on with a session
	hostileCounts         // sends messages with numbers
	hostileBinary
	hostileAcks
	hostileSpells // sends its numbers in a way of its own
	hostileRaw    // sends bytes of the script as the value of seq
	hostileLeaves
	serverBroadcasts
	serverPuts // a hostile client's socket out
	hostileWaits
	hostileImplies   // sends messages that do not say their numbers
	serverVolatilely // tells everybody something that is not of the session
	hostileSteps
)

var serverSessionSeeds = []struct {
	name   string
	script []byte
}{
	{"as it should be", []byte{hostileOpens, 0, hostileAcks, 0, hostileCounts, 8, serverBroadcasts, 4, hostileLeaves, 0, hostileCounts, 8, hostileResumes, 0,
		hostileCounts, 0, serverBroadcasts, 8, hostileAcks, 0, hostileWaits, 4}},
	{"the same numbers over two connections", []byte{hostileOpens, 0, hostileCounts, 8, hostileResumes, 1, hostileCounts, 0x40, hostileCounts, 0x41, hostileCounts, 9}},
	{"gaps and zeros", []byte{hostileOpens, 0, hostileCounts, 0x80, hostileCounts, 0xc0, hostileOpens, 1, hostileAcks, 0x41, hostileOpens, 2, hostileAcks, 0x82, hostileAcks, 0xc2}},
	{"tokens of others", []byte{hostileOpens, 0, hostileOpens, 1, hostileAcks, 0, hostileAcks, 1, hostileResumes, 0x10, hostileResumes, 0x25, hostileResumes, 0x32,
		hostileResumes, 0x45, hostileResumes, 0x54, hostileResumes, 0x68}},
	{"over and over", []byte{hostileOpens, 0, hostileCounts, 0xbc, hostileResumes, 1, hostileResumes, 2, hostileResumes, 0, hostileResumes, 1, hostileResumes, 2,
		hostileCounts, 0x3e, hostileResumes, 0, hostileCounts, 0x3c}},
	{"what is not acknowledged", []byte{hostileOpens, 0, hostileAcks, 0, serverBroadcasts, 0xfc, serverBroadcasts, 0xfc, hostileResumes, 0, serverBroadcasts, 0xfc, hostileLeaves, 0,
		serverBroadcasts, 0xfc, hostileResumes, 1, hostileWaits, 12}},
	{"once more", []byte{hostileOpens, 0, hostileAcks, 0, serverBroadcasts, 0x10, hostileResumes, 0x51, hostileAcks, 0x41, serverBroadcasts, 0x10, hostileResumes, 0x72,
		hostileLeaves, 2, serverBroadcasts, 0x10, hostileResumes, 0x70, hostileResumes, 0x52}},
	{"spellings", []byte{hostileOpens, 0, hostileSpells, 0, hostileSpells, 4, hostileSpells, 8, hostileOpens, 1, hostileSpells, 13, hostileSpells, 17, hostileSpells, 21,
		hostileOpens, 2, hostileSpells, 26, hostileSpells, 30, hostileOpens, 0, hostileSpells, 36, hostileRaw, 8, '7', ' ', hostileBinary, 0, hostileBinary, 0x44}},
	{"numbers that are not said", []byte{hostileOpens, 0, hostileAcks, 0, hostileCounts, 0, hostileImplies, 0x3c, serverBroadcasts, 8, hostileAcks, 0, serverVolatilely, 0,
		serverBroadcasts, 8, hostileBinary, 0, hostileImplies, 0x0c, hostileSpells, 60, hostileImplies, 0x4c, hostileResumes, 0, hostileImplies, 0,
		hostileResumes, 0, hostileCounts, 0, hostileImplies, 8}},
	{"behind one that has been there", []byte{hostileOpens, 0, hostileCounts, 0x1c, hostileImplies, 0x1c, hostileResumes, 0, hostileCounts, 0x40, hostileImplies, 0x1c,
		hostileCounts, 0, hostileImplies, 0x1c, serverVolatilely, 0, hostileLeaves, 0, serverBroadcasts, 8, hostileResumes, 0, serverBroadcasts, 4}},
	{"a number in the raw, and those behind it", []byte{hostileOpens, 0, hostileRaw, 4, '1', hostileImplies, 0x1c, hostileResumes, 0, hostileRaw, 4, '2', hostileImplies, 0x1c}},
	{"put out", []byte{hostileOpens, 0, hostileAcks, 0, hostileLeaves, 0, serverPuts, 0, hostileResumes, 0, hostileOpens, 1, hostileAcks, 1, serverPuts, 5, hostileResumes, 2,
		hostileWaits, 12, hostileResumes, 1}},
}

// FuzzServerSession has a client that breaks every rule of sessions it likes, over one
// connection or several, work on a server, beside a client of the module that keeps to
// them. No panic; a message with a number reaches the handlers of its session once at most
// and in order; nobody goes on with a session without a token of it; what the server sends
// under a number is the same whenever it is sent; the other client notices nothing; and when
// the window is over nothing is left.
func FuzzServerSession(f *testing.F) {
	for i, s := range serverSessionSeeds {
		f.Add(s.script, byte(i))
		f.Add(s.script, byte(i)^3)
	}
	f.Fuzz(func(t *testing.T, script []byte, options byte) {
		if len(script) > 200 {
			return
		}
		bounded(t, bounds{memory: 96 << 20, perByte: 128 << 10, time: ordinary.time}, len(script), func(t *testing.T) {
			newBesieged(t, options).play(script)
		})
	})
}

// besieged is a server with a hostile client of several connections, and another client.
type besieged struct {
	t       *testing.T
	live    *live
	options byte
	slots   [3]*intruder
	all     []*intruder    // also those whose slot has another
	pumps   sync.WaitGroup // of the intruders
	good    *socket.Client
	sent    int // by the good client
	told    int // by the server to everybody

	mu       sync.Mutex // guards the fields below
	sessions []*siege   // in the order of opening
	handled  map[string][]uint64
	goodSent []int
	heard    []int
	trouble  []string // what the good client was told
}

// siege is a session of the hostile client.
type siege struct {
	id     string
	tokens []string
	sent   uint64            // the highest number that was sent
	got    map[uint64]string // what came under a number
	highs  uint64            // the highest of them
}

// intruder is a connection of the hostile client.
type intruder struct {
	transport interface {
		socket.SessionTransport
		socket.BinaryTransport
	}
	siege *siege
	next  uint64 // number of the next message that comes; the receiver's
	heard bool   // a number has come; the receiver's

	said   uint64 // number of the last message that was sent; 0: none has said one
	unsure bool   // nobody knows what it is
}

// counted is the event of messages whose data is their number, and volatile that of those
// which have none.
const (
	counted  = "counted-by-its-number"
	volatile = "volatile"
)

func newBesieged(t *testing.T, options byte) *besieged {
	b := &besieged{t: t, options: options, handled: make(map[string][]uint64), live: newLive(
		socket.WithSessionBuffer(8<<10, 64), socket.WithMemoryBudget(8<<20), socket.WithMaxConcurrency(6),
	)}
	s := b.live.server
	socket.Handle(s, counted, func(c socket.Socket, n uint64) {
		b.mu.Lock()
		defer b.mu.Unlock()
		before := b.handled[c.ID()]
		if n == 0 {
			b.t.Error("a message is handled that had no number, and none before it had one")
		}
		// Those in between had messages that do not say which number they have.
		if len(before) > 0 && n <= before[len(before)-1] {
			b.t.Errorf("message %d of a session is handled after %v", n, before)
		}
		b.handled[c.ID()] = append(before, n)
		if options&4 != 0 && n%8 == 0 {
			b.mu.Unlock()
			time.Sleep(time.Second) // the next ones wait behind it
			b.mu.Lock()
		}
	})
	socket.Handle(s, "good", func(_ socket.Socket, n int) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.goodSent = append(b.goodSent, n)
	})
	b.good = socket.NewClient(transport.NewWebSocketTransport("ws://fuzz/socket", transport.WithDialContext(b.live.listener.DialContext)))
	note := func(data any) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.trouble = append(b.trouble, fmt.Sprint(data))
	}
	b.good.On(socket.EventError, note)
	b.good.On(socket.EventDisconnect, note)
	socket.On(b.good, "told", func(n told) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.heard = append(b.heard, n.N)
	})
	return b
}

// told is the data of what the server tells everybody.
type told struct {
	N    int
	More string
}

// connect makes a connection for a slot, in place of the one that it has, with an offer.
func (b *besieged) connect(slot int, offer string) (answer string, ok bool) {
	var tr interface {
		socket.SessionTransport
		socket.BinaryTransport
	} = transport.NewWebSocketTransport("ws://fuzz/socket", transport.WithDialContext(b.live.listener.DialContext))
	if b.options>>slot&1 != 0 {
		tr = transport.NewLongPollingTransport("http://fuzz/socket", transport.WithDialContext(b.live.listener.DialContext))
	}
	answer, err := tr.ConnectSession(b.t.Context(), offer)
	if err != nil {
		return "", false // refused: full, or put out
	}
	b.slots[slot] = &intruder{transport: tr}
	b.all = append(b.all, b.slots[slot])
	return answer, true
}

// answered takes the answer to an offer for one of the sessions, nil for a new one.
func (b *besieged) answered(slot int, answer string, offered *siege, token string, has uint64) {
	if answer == "" {
		b.pump(slot, nil, 0) // the offer said nothing
		return
	}
	values := make(map[string]string)
	for part := range strings.SplitSeq(answer, "; ") {
		name, value, _ := strings.Cut(part, "=")
		values[name] = value
	}
	id, resumed := values["id"], values["last"] != ""
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.IndexFunc(b.sessions, func(s *siege) bool { return s.id == id })
	var s *siege
	switch {
	case !resumed && i >= 0:
		b.t.Errorf("a new session has the id of an earlier one: %s", answer)
		return
	case !resumed:
		has = 0
		s = &siege{id: id, got: make(map[uint64]string)}
		b.sessions = append(b.sessions, s)
	case offered == nil || i < 0 || b.sessions[i] != offered || !slices.Contains(offered.tokens, token):
		b.t.Errorf("a session goes on for somebody who has no token of it: %s", answer)
		return
	default:
		s = offered
		var last uint64
		fmt.Sscan(values["last"], &last)
		if n := uint64(len(b.handled[id])); last < n || last > s.sent {
			b.t.Errorf("the server has everything up to %d, it says; %d were handled and %d sent", last, n, s.sent)
		}
	}
	s.tokens = append(s.tokens, values["token"])
	b.pump(slot, s, has+1)
}

// pump receives what comes over the connection of a slot, where the next message has the
// number next.
func (b *besieged) pump(slot int, s *siege, next uint64) {
	c := b.slots[slot]
	c.siege, c.next = s, next
	b.pumps.Go(func() {
		for {
			p, bin, err := c.transport.ReceiveMessage()
			if err != nil {
				return
			}
			if s != nil {
				b.came(c, p, bin)
			}
		}
	})
}

// came looks at a message of a session that the server has sent.
func (b *besieged) came(c *intruder, p []byte, bin bool) {
	s := c.siege
	var n uint64
	var text string
	if bin {
		seq, size := binary.Uvarint(p)
		_, more := binary.Uvarint(p[max(size, 0):])
		if size <= 0 || more <= 0 {
			b.t.Errorf("a binary message has no numbers: %x", p)
			return
		}
		n, text = seq, string(p[size+more:])
	} else {
		var m struct {
			Seq   *uint64
			Event string
			Data  json.RawMessage
			Re    *uint64
			Error json.RawMessage
		}
		if err := json.Unmarshal(p, &m); err != nil {
			b.t.Errorf("%.200q came, which is not JSON", p)
			return
		}
		switch {
		case m.Seq != nil:
			n = *m.Seq
		case m.Event == "" && m.Re == nil: // it acknowledges, and that is all
			return
		case !c.heard:
			b.t.Errorf("%.200q came first, without a number", p)
			return
		default:
			n = c.next
		}
		if (m.Event == volatile) != (n == 0) {
			b.t.Errorf("%.200q came with the number %d", p, n)
		}
		text = fmt.Sprintf("%s %s %s", m.Event, m.Data, m.Error)
	}
	if n == 0 {
		return
	}
	c.heard = true
	b.mu.Lock()
	defer b.mu.Unlock()
	if n != c.next {
		b.t.Errorf("message %d came where %d is due", n, c.next)
	}
	c.next = n + 1
	if before, ok := s.got[n]; ok && before != text {
		b.t.Errorf("message %d was %.100q and is %.100q", n, before, text)
	}
	s.got[n] = text
	s.highs = max(s.highs, n)
}

// leave ends the connection of a slot.
func (b *besieged) leave(slot int, politely bool) {
	c := b.slots[slot]
	if c == nil {
		return
	}
	b.slots[slot] = nil
	if politely {
		_ = c.transport.Close() // it may have ended
		return
	}
	c.transport.Abort()
}

// offer makes an offer for one of the sessions, right or wrong.
func (b *besieged) offer(s *siege, how int) (line, token string, last uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	token = s.tokens[len(s.tokens)-1]
	last = s.highs
	switch how & 7 {
	case 1: // an old token, often of a session that has gone on since
		token = s.tokens[max(len(s.tokens)-2, 0)]
	case 2:
		token = s.tokens[0]
	case 3: // that of another session
		token = b.sessions[(slices.Index(b.sessions, s)+1)%len(b.sessions)].tokens[0]
	case 4:
		token = strings.Repeat("A", 32)
	case 5:
		last = 0
	case 6:
		last += 1 << 40
	case 7:
		last /= 2
	}
	line = fmt.Sprintf("id=%s; token=%s; last=%d", s.id, token, last)
	switch how >> 3 & 7 {
	case 1:
		line += " "
	case 2:
		line = strings.ToUpper(line)
	case 3:
		line = strings.Replace(line, "last=", "last=0", 1)
	}
	return line, token, last
}

// spellings are messages whose numbers are there, but not as this module writes them. %d is
// the number that is due, which the message has, unless it is another or an error.
var spellings = []struct {
	form string
	is   saying
}{
	{`{"ack":0,"seq":%d,"event":"odd"}`, saysIt},
	{` { "seq" : %d , "event" : "odd" } `, saysIt},
	{`{"event":"odd","data":{"seq":1},"seq":%d}`, saysNothing},
	{`{"\u0073eq":%d,"event":"odd"}`, saysIt},
	{`{"seq":%d,"seq":1,"event":"odd"}`, saysIt},
	{`{"seq":-%d,"event":"odd"}`, isWrong},
	{`{"seq":%d.0,"event":"odd"}`, isWrong},
	{`{"seq":"%d","event":"odd"}`, isWrong},
	{`{"seq":%d00000000000000000000,"event":"odd"}`, isWrong},
	{`{"seq":%d,"ack":null,"event":"odd"}`, isWrong},
	{`{"seq":%d`, isWrong},
	{`{"seq":%d}`, saysIt},
	{`{"seq":%d,"req":1,"event":"odd"}`, saysIt},
	{`{"seq":%d,"re":1,"data":1}`, saysIt},
	{`{"seq":%d,}`, isWrong},
	{`[%d]`, saysNothing},
	{`{"data":%d}`, saysNothing},
	{`odd %d`, saysNothing},
	{`{"seq":0,"event":"odd","data":%d}`, isApart},
}

// saying is what a message says about its number.
type saying int

const (
	saysIt saying = iota
	saysNothing
	isApart
	isWrong // it ends the connection
)

// spoke notes that a message has been sent that says its number, n, or does not. What has no
// counted data may have used a number up.
func (b *besieged) spoke(c *intruder, is saying, n uint64) {
	switch {
	case is == isApart:
		return
	case is == saysIt:
		c.said, c.unsure = n, false
	case is == saysNothing && c.said > 0 && !c.unsure:
		c.said++
		n = c.said
	}
	b.spent(c.siege, n)
}

// say sends a text over a connection, which may have ended.
func (c *intruder) say(text string) { _ = c.transport.Send([]byte(text)) }

// number returns the number of the next message that counts, or another one.
func (b *besieged) number(s *siege, how int) uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := s.sent + 1
	switch how & 3 {
	case 1: // once more
		s.sent = max(s.sent, 1)
		return s.sent
	case 2: // with a gap
		n += 1
	case 3:
		n += 1 << 40
	}
	if how&3 == 0 {
		s.sent = n
	}
	return n
}

// step plays a step, and returns how many more bytes of the script it has taken.
func (b *besieged) step(op, arg byte, rest []byte) (taken int) {
	slot, how := int(arg&3)%len(b.slots), int(arg>>2)
	c := b.slots[slot]
	var s *siege
	if c != nil {
		s = c.siege
	}
	switch op % hostileSteps {
	case hostileOpens:
		b.leave(slot, how&1 != 0)
		if answer, ok := b.connect(slot, "new"); ok {
			b.answered(slot, answer, nil, "", 0)
		}
	case hostileResumes:
		if len(b.sessions) == 0 {
			return 0
		}
		offered := b.sessions[len(b.sessions)-1-how&3%len(b.sessions)]
		line, token, has := b.offer(offered, how>>2)
		// The connection that the slot has stays: the server is to end it.
		if answer, ok := b.connect(slot, line); ok {
			b.answered(slot, answer, offered, token, has)
		}
	case hostileCounts:
		if s == nil {
			return 0
		}
		for range 1 + how&15 {
			n := b.number(s, how>>4)
			c.said, c.unsure = n, false
			c.say(fmt.Sprintf(`{"seq":%d,"event":"%s","data":%d}`, n, counted, n))
		}
	case hostileBinary:
		if s == nil {
			return 0
		}
		due := b.due(s)
		p := binary.AppendUvarint(binary.AppendUvarint(nil, due), uint64(how>>2))
		if how&1 != 0 {
			p = p[:len(p)-1] // nothing where a number should be
		}
		if how&2 != 0 {
			p = slices.Repeat([]byte{0xff}, 11)
		}
		_ = c.transport.SendBinary(p) // it may have ended
		if how&3 == 0 {
			b.spoke(c, saysIt, due)
		}
	case hostileAcks:
		if s == nil {
			return 0
		}
		b.mu.Lock()
		n := s.highs
		b.mu.Unlock()
		switch how >> 4 {
		case 1:
			n /= 2
		case 2:
			n += 1
		case 3:
			n = 1<<63 - 1
		}
		c.say(fmt.Sprintf(`{"ack":%d}`, n))
	case hostileSpells:
		if s == nil {
			return 0
		}
		due := b.due(s)
		odd := spellings[how%len(spellings)]
		c.say(fmt.Sprintf(odd.form, due))
		b.spoke(c, odd.is, due)
	case hostileRaw:
		if c == nil {
			return 0
		}
		if s != nil {
			b.spent(s, b.due(s))
			c.unsure = true
		}
		taken = min(how&15, len(rest))
		c.say(`{"seq":` + string(rest[:taken]) + `,"event":"odd"}`)
	case hostileImplies:
		if s == nil {
			return 0
		}
		for range 1 + how&15 {
			if how>>4&1 != 0 {
				c.say(`{"seq":0,"event":"odd"}`)
			}
			if c.unsure {
				c.say(`{"event":"odd"}`)
				b.spent(s, b.due(s))
				continue
			}
			n := uint64(0) // none has been said: it is not handled
			if c.said > 0 {
				n = c.said + 1
			}
			b.spoke(c, saysNothing, n)
			c.say(fmt.Sprintf(`{"event":"%s","data":%d}`, counted, n))
		}
	case hostileLeaves:
		b.leave(slot, how&1 != 0)
	case serverBroadcasts:
		for range 1 + how&31 {
			b.told++
			more := strings.Repeat("x", how>>5*500)
			if err := b.live.server.Broadcast("told", told{b.told, more}); err != nil {
				b.t.Errorf("Broadcast = %v", err)
			}
		}
	case serverVolatilely:
		if err := b.live.server.Under(socket.Volatile()).Broadcast(volatile, how); err != nil {
			b.t.Errorf("Broadcast = %v", err)
		}
	case serverPuts:
		b.mu.Lock()
		var id string
		if len(b.sessions) > 0 {
			id = b.sessions[how>>1%len(b.sessions)].id
		}
		b.mu.Unlock()
		if c, ok := b.live.server.GetSocket(id); ok {
			r := socket.DisconnectReason{Retry: socket.RetryBackoff}
			if how&1 == 0 {
				r.Retry = socket.RetryNever
			}
			c.Disconnect(r)
		}
	case hostileWaits:
		time.Sleep([...]time.Duration{time.Millisecond, time.Second, 10 * time.Second, 3 * time.Minute}[how&3])
	}
	synctest.Wait()
	if op&0x80 != 0 {
		b.greet()
	}
	return taken
}

// due returns the number that comes next.
func (b *besieged) due(s *siege) uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return s.sent + 1
}

// spent notes that a number may have been used for a message that is not counted: none that
// is may have it from then on, nor a later one, as it would not be in order.
func (b *besieged) spent(s *siege, n uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s.sent = max(s.sent, n)
}

// greet has the good client send something.
func (b *besieged) greet() {
	b.sent++
	if err := b.good.Send("good", b.sent); err != nil {
		b.t.Errorf("the other client: Send = %v", err)
	}
}

// play plays a script, and ends everything.
func (b *besieged) play(script []byte) {
	defer b.live.stop(b.t)
	if err := b.good.Connect(); err != nil {
		b.t.Fatalf("Connect = %v", err)
	}
	id := b.good.ID()
	for i := 0; i+1 < len(script); i += 2 {
		i += b.step(script[i], script[i+1], script[i+2:])
	}
	for _, c := range b.all {
		c.transport.Abort()
	}
	b.greet()
	time.Sleep(4 * time.Minute) // sessions that nobody comes back to are over
	synctest.Wait()
	if n := b.live.server.Count(); n != 1 {
		b.t.Errorf("%d connections are counted at the end, want that of the other client", n)
	}
	b.pumps.Wait()
	b.mu.Lock()
	wholly := func(got []int, n int) bool {
		return len(got) == n && !slices.ContainsFunc(got, func(i int) bool { return i != 1+slices.Index(got, i) })
	}
	if !b.good.IsConnected() || b.good.ID() != id || len(b.trouble) > 0 {
		b.t.Errorf("the other client is %s and was %s, connected = %t, and was told %q", b.good.ID(), id, b.good.IsConnected(), b.trouble)
	}
	if !wholly(b.goodSent, b.sent) || !wholly(b.heard, b.told) {
		b.t.Errorf("the other client sent %d, of which came %v, and heard %v of %d", b.sent, b.goodSent, b.heard, b.told)
	}
	b.mu.Unlock()
	if err := b.good.Close(); err != nil {
		b.t.Errorf("Close = %v", err)
	}
}
