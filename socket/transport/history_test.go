package transport_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// meter counts the bytes that are written to a connection.
type meter struct {
	net.Conn
	wrote atomic.Int64
}

func (c *meter) Write(p []byte) (int, error) {
	c.wrote.Add(int64(len(p)))
	return c.Conn.Write(p)
}

// roomMember is a connection of a server, and its client, which checks all that comes.
type roomMember struct {
	t      *testing.T
	server *transport.Conn
	client *transport.Conn
	wire   *meter
}

// commonTakeover is what the servers of these tests compress with.
func commonTakeover(window int) *transport.Compression {
	return &transport.Compression{Takeover: transport.CommonTakeover, Window: window, Verify: true}
}

// joined makes a connection that has agreed on a window of the given bits for what
// the server sends; 0 means: each message on its own.
func joined(t *testing.T, z *transport.Compression, bits int) *roomMember {
	a, b := memnet.PipeBuffer(1 << 20)
	agreed := agreedOn(bits)
	limits := transport.Limits{MaxQueueBytes: -1, MaxQueueMessages: -1, MaxInflateRatio: -1}
	m := &roomMember{t: t, wire: &meter{Conn: a}}
	m.server = transport.NewCompressingConn(m.wire, wsproto.RoleServer, limits, z, agreed)
	m.client = transport.NewCompressingConn(b, wsproto.RoleClient, limits, new(transport.Compression), agreed)
	t.Cleanup(func() { _, _ = m.server.CloseNow(), m.client.CloseNow() })
	return m
}

func agreedOn(bits int) wsproto.DeflateParams {
	p := wsproto.DeflateParams{ServerBits: bits, ClientBits: 15, ClientNoTakeover: true}
	if bits == 0 {
		p.ServerBits, p.ServerNoTakeover = 15, true
	}
	return p
}

// gets sends prepared messages and receives them. It returns the bytes of their frames.
func (m *roomMember) gets(messages ...*transport.PreparedMessage) int {
	m.t.Helper()
	before := m.wire.wrote.Load()
	var list transport.PreparedBatch
	list.Append(messages...)
	if n, err := m.server.StagePrepared(&list); n != len(messages) {
		m.t.Fatalf("StagePrepared = %d, %v", n, err)
	}
	m.server.Flush()
	for _, p := range messages {
		m.receives(p.Payload())
	}
	return int(m.wire.wrote.Load() - before)
}

func (m *roomMember) receives(want []byte) {
	m.t.Helper()
	if _, got, err := m.client.Read(m.t.Context()); err != nil || !bytes.Equal(got, want) {
		m.t.Fatalf("a message of %d bytes comes as %d, %v", len(want), len(got), err)
	}
}

func prepared(p []byte) *transport.PreparedMessage {
	return transport.NewPreparedMessage(transport.MessageBinary, p)
}

// tickers returns the nth message of a room, of about size bytes.
func tickers(n, size int) []byte {
	rng := rand.New(rand.NewPCG(uint64(n), 71))
	var b strings.Builder
	fmt.Fprintf(&b, `{"event":"ticker","data":[`)
	for b.Len() < size-40 {
		fmt.Fprintf(&b, `{"symbol":"%s","price":%.2f},`, []string{"BTC", "ETH", "SOL", "ADA"}[rng.IntN(4)], 60000*rng.Float64())
	}
	fmt.Fprintf(&b, `{"symbol":"XRP","n":%d}]}`, n)
	return []byte(b.String())
}

// presence returns the nth message of a room, of which hardly a byte occurs twice:
// alone it does not become shorter.
func presence(n, _ int) []byte {
	return fmt.Appendf(nil, "消息室成员在线状态更新时间戳用户名%016x", rand.New(rand.NewPCG(uint64(n), 73)).Uint64())
}

func TestAMessageIsInOneHistoryAtMost(t *testing.T) {
	z := commonTakeover(0)
	one, two := transport.NewTestHistory(z, nil), transport.NewTestHistory(z, nil)
	a, b := joined(t, z, 15), joined(t, z, 15)
	for n := range 20 {
		mine, theirs := prepared(tickers(2*n, 300)), prepared(tickers(2*n+1, 300))
		one.Add(mine)
		two.Add(theirs)
		if n >= 15 { // both have a part of what there is
			a.gets(mine)
			b.gets(theirs)
		}
	}
	both := prepared(tickers(1000, 300))
	one.Add(both)
	one.Add(both) // does nothing
	a.gets(both)
	two.Add(both) // nor does this
	b.gets(both)
	a.gets(both)
	sent := prepared(tickers(1001, 300))
	a.gets(sent)
	one.Add(sent) // after it was sent
	a.gets(sent)
	b.gets(sent)
}

// Frames are compared by Verify with what their receivers have, and by the receivers.
func TestWhateverMembersGetOfHistoriesIsWhatWasSent(t *testing.T) {
	for _, window := range []int{8, 9, 10, 11, 13, 15} {
		t.Run(fmt.Sprint("window=", window), func(t *testing.T) {
			t.Parallel()
			z := commonTakeover(window)
			z.Threshold, z.Thorough = 20, window%2 == 1
			rng := rand.New(rand.NewPCG(uint64(window), 72))
			budget := transport.NewBudget(60_000) // is used up now and then
			histories := []*transport.History{transport.NewTestHistory(z, budget), transport.NewTestHistory(z, budget)}
			var members []*roomMember
			for _, bits := range []int{0, 8, 9, 10, 12, 14, 15} {
				members = append(members, joined(t, z, bits))
			}
			late := make([][]*transport.PreparedMessage, len(members))
			for n := range 120 {
				size := 20 + rng.IntN(500)
				if rng.IntN(20) == 0 {
					size = rng.IntN(40_000)
				}
				payload := tickers(n, size)
				if rng.IntN(10) == 0 {
					rand.NewChaCha8([32]byte{byte(n), byte(n >> 8)}).Read(payload)
				}
				m := prepared(payload)
				if i := rng.IntN(4); i < 3 {
					histories[i/2].Add(m)
				}
				for i, who := range members {
					switch rng.IntN(20) {
					case 0: // misses it
					case 1: // gets it later
						late[i] = append(late[i], m)
					case 2: // gets something alone
						if err := who.server.Queue(transport.MessageBinary, payload); err != nil {
							t.Fatal(err)
						}
						who.receives(payload)
					case 3:
						who.gets(m)
						who.gets(m)
					default:
						who.gets(append(late[i], m)...)
						late[i] = nil
					}
				}
				switch rng.IntN(60) {
				case 0:
					histories[0].Close()
					histories[0] = transport.NewTestHistory(z, budget)
				case 1:
					members[rng.IntN(len(members))] = joined(t, z, []int{0, 8, 9, 11, 13, 15}[rng.IntN(6)])
				}
			}
			for _, h := range histories {
				h.Close()
			}
			if n := budget.Used(); n != 0 {
				t.Errorf("%d bytes are meter for histories that are closed", n)
			}
		})
	}
}

func TestNewcomerIsInStepAfterAFewMessages(t *testing.T) {
	for _, size := range []int{67, 100, 500, 2000} {
		t.Run(fmt.Sprint("size=", size), func(t *testing.T) {
			message := tickers
			if size == 67 {
				message = presence
			}
			z := commonTakeover(0)
			h := transport.NewTestHistory(z, nil)
			old := joined(t, z, 15)
			n := 0
			next := func() *transport.PreparedMessage {
				n++
				m := prepared(message(n, size))
				h.Add(m)
				return m
			}
			for range 200 {
				old.gets(next())
			}
			comes := joined(t, z, 15)
			m := next()
			if a, b := old.gets(m), comes.gets(m); 5*a > 4*b {
				t.Errorf("the first message takes %d bytes for a newcomer, and %d for another", b, a)
			}
			// Some text of the last KiB does most, and all of it does all.
			for got := 0; got < 1<<10; got += size {
				m = next()
				old.gets(m)
				comes.gets(m)
			}
			var a, b int
			for range 10 {
				m = next()
				a += old.gets(m)
				b += comes.gets(m)
			}
			if 2*b > 3*a {
				t.Errorf("with 1 KiB in common, 10 messages take %d bytes for a newcomer, and %d for another", b, a)
			}
			for got := 0; got < 8<<10; got += size {
				m = next()
				old.gets(m)
				comes.gets(m)
			}
			m = next()
			if a, b := old.gets(m), comes.gets(m); a != b {
				t.Errorf("with 8 KiB in common, a message takes %d bytes for a newcomer, and %d for another", b, a)
			}
			if plain := len(m.Payload()); 2*old.gets(next()) > plain {
				t.Errorf("a message of %d bytes is not half as large", plain)
			}
		})
	}
}

func TestThoroughMakesARoomsMessagesSmaller(t *testing.T) {
	for _, window := range []int{9, 13, 15} {
		var sizes [2]int
		for i := range sizes {
			z := commonTakeover(window)
			z.Thorough = i == 1
			h := transport.NewTestHistory(z, nil)
			who := joined(t, z, 15)
			for n := range 100 {
				m := prepared(tickers(n, 500))
				h.Add(m)
				sizes[i] += who.gets(m)
			}
		}
		if 100*sizes[1] > 95*sizes[0] {
			t.Errorf("window %d: 100 messages take %d bytes, and %d with Thorough", window, sizes[0], sizes[1])
		}
	}
}

func TestPeersCannotDemandManyForms(t *testing.T) {
	z := commonTakeover(13)
	h := transport.NewTestHistory(z, nil)
	m := prepared(tickers(0, 2000))
	var out, in []*roomMember
	for bits := 8; bits <= 15; bits++ {
		out, in = append(out, joined(t, z, bits)), append(in, joined(t, z, bits))
	}
	for n := range 20 {
		m = prepared(tickers(n, 2000))
		h.Add(m)
		for i := range out {
			in[i].gets(m)
			if n%2 == 0 {
				out[i].gets(m)
			}
		}
	}
	joined(t, z, 0).gets(m)
	if n := m.Forms(); n > 6 {
		t.Errorf("%d forms were made for windows of 8 to 15 bits", n)
	}
}

func TestMessagesAreAddedAndSentAtOnce(t *testing.T) {
	z := commonTakeover(0)
	histories := []*transport.History{transport.NewTestHistory(z, nil), transport.NewTestHistory(z, nil)}
	var messages []*transport.PreparedMessage
	for n := range 100 {
		messages = append(messages, prepared(tickers(n, 300)))
	}
	var wg sync.WaitGroup
	for i := range 4 {
		who := joined(t, z, 15)
		wg.Go(func() {
			for n, m := range messages {
				if n == 90 && i == 0 {
					histories[0].Close()
				}
				if i < 2 {
					histories[i].Add(m)
				}
				var list transport.PreparedBatch
				list.Append(m)
				if _, err := who.server.StagePrepared(&list); err != nil {
					t.Error(err)
				}
			}
			who.server.Flush()
		})
		wg.Go(func() {
			for _, m := range messages {
				if _, got, err := who.client.Read(t.Context()); err != nil || !bytes.Equal(got, m.Payload()) {
					t.Errorf("%d bytes come as %d, %v", len(m.Payload()), len(got), err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestMembersShareWhatKeepsNothing(t *testing.T) {
	for _, tt := range []struct {
		name        string
		z           *transport.Compression
		bits        int
		same, parts bool
	}{
		{"no takeover", new(transport.Compression), 15, true, true},
		{"no takeover agreed", commonTakeover(0), 0, true, true},
		{"a common history", commonTakeover(0), 15, false, true},
		{"a window", &transport.Compression{Takeover: transport.WindowTakeover}, 15, false, false},
	} {
		a, b := joined(t, tt.z, tt.bits), joined(t, tt.z, tt.bits)
		// Connections of one server have their options in common.
		transport.ShareConfig(a.server, b.server, agreedOn(tt.bits))
		if got := transport.SharesCodec(a.server, b.server); got != tt.same {
			t.Errorf("%s: one codec for all: %t", tt.name, got)
		}
		if got := transport.SharesCoders(a.server, b.server); got != tt.parts {
			t.Errorf("%s: one coder for all: %t", tt.name, got)
		}
	}
	if n := transport.CodecSize(); n > 80 {
		t.Errorf("a member of a room holds %d bytes for compression", n)
	}
}
