package transport_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// liveRoles runs a test against live servers and against live clients, which wait
// in every way.
func liveRoles(t *testing.T, l transport.Limits, test func(t *testing.T, v *victims)) {
	t.Helper()
	for _, role := range []wsproto.Role{wsproto.RoleServer, wsproto.RoleClient} {
		for _, how := range []waits{byDefault, inGoroutine} {
			t.Run(role.String()+" waits "+string(how), func(t *testing.T) { test(t, newVictims(t, role, how, l)) })
		}
	}
}

// announced is the header of a frame whose length is written as 64 bits.
func (w *wire) announced(first byte, length uint64) []byte {
	b := []byte{first, 127}
	b = binary.BigEndian.AppendUint64(b, length)
	if w.role == wsproto.RoleClient {
		b[1] |= 0x80
		b = append(b, 0, 0, 0, 0) // a key that changes nothing
	}
	return b
}

func TestThreatA1_CVE_2020_27813_HugeLengthsAllocateNothing(t *testing.T) {
	const limit = 64 << 10
	tests := []struct {
		length uint64
		code   int
	}{
		{math.MaxUint64, 1002}, // RFC 6455 section 5.2: the top bit is 0
		{math.MaxInt64 + 1, 1002},
		{math.MaxInt64, 1009},
		{math.MaxInt64 - 9, 1009}, // with the 10 bytes before it, more than an int64 holds
		{1 << 62, 1009},
		{1 << 48, 1009},
		{1<<32 + 1, 1009}, // 1, to a machine of 32 bits
		{1 << 32, 1009},
		{math.MaxUint32, 1009},
		{1 << 31, 1009},
		{limit + 1, 1009},
		{125, 1002}, // RFC 6455 section 5.2: the fewest bytes that hold it
		{math.MaxUint16, 1002},
	}
	liveRoles(t, transport.Limits{MaxMessageSize: limit}, func(t *testing.T, v *victims) {
		for _, tt := range tests {
			for _, first := range []byte{0x82, 0x01, 0x80, 0x00} {
				name := fmt.Sprintf("frame %02x of %d bytes", first, tt.length)
				w := v.open(t)
				if first&0x0F == 0 {
					w.send(w.frame(wsproto.OpBinary, false, "ten bytes!"))
				}
				spent := allocated(func() {
					w.send(w.announced(first, tt.length))
					w.wantRefused(name, tt.code)
				})
				if spent > 64<<10 {
					t.Errorf("%s: %d bytes allocated", name, spent)
				}
			}
		}
		v.echoed(t)
	})
}

func TestThreatA1_CVE_2020_27813_MemoryFollowsWhatHasCome(t *testing.T) {
	// Nothing is refused here: the limit is lifted, and the bytes do not come.
	liveRoles(t, transport.Limits{MaxMessageSize: -1}, func(t *testing.T, v *victims) {
		w := v.open(t)
		spent := allocated(func() {
			w.send(w.announced(0x82, 1<<30), []byte("three"), w.ping(""))
			synced := v.open(t) // the other one has had the time by now
			synced.send(synced.ping("?"))
			synced.want("the process is well", gotPong("?"))
		})
		if spent > 512<<10 {
			t.Errorf("%d bytes allocated for 5 of an announced GiB", spent)
		}
		v.echoed(t)
	})
}

func TestThreatA2_CVE_2022_21676_ViolationsEndOneConnectionOnly(t *testing.T) {
	liveRoles(t, transport.Limits{}, func(t *testing.T, v *victims) {
		v.open(t) // learns the attacker's role
		masked := byte(0x80)
		if v.role == wsproto.RoleClient {
			masked = 0
		}
		head := func(first, size byte) []byte {
			b := []byte{first, size | masked}
			if masked != 0 {
				b = append(b, 0, 0, 0, 0)
			}
			return b
		}
		type violation struct {
			name  string
			bytes []byte
		}
		violations := []violation{
			{"wrong masking", []byte{0x82, 0x01 | 0x80 ^ masked, 0, 0, 0, 0, 0}},
			{"continuation of nothing", head(0x80, 0)},
			{"first frame of two messages", append(head(0x01, 0), head(0x81, 0)...)},
			{"ping of 126 bytes", append(head(0x89, 126), 0, 126)},
			{"close of 1 byte", append(head(0x88, 1), 3)},
			{"close frame in fragments", head(0x08, 0)},
			{"ping in fragments", head(0x09, 0)},
			{"pong in fragments", head(0x0A, 0)},
			{"16-bit length below 126", append([]byte{0x82, 126 | masked}, 0, 125, 0, 0, 0, 0)},
		}
		for op := range byte(16) {
			if op >= 3 && op < 8 || op > 10 {
				violations = append(violations, violation{fmt.Sprintf("opcode %d", op), head(0x80|op, 0)})
				continue
			}
			for _, rsv := range []byte{0x40, 0x20, 0x10, 0x70} {
				violations = append(violations, violation{fmt.Sprintf("opcode %d with RSV bits %02x", op, rsv), head(0x80|rsv|op, 0)})
			}
		}
		for _, code := range []uint16{0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
			violations = append(violations, violation{fmt.Sprintf("close code %d", code), append(head(0x88, 2), byte(code>>8), byte(code))})
		}
		for _, tt := range violations {
			w := v.open(t)
			w.send(tt.bytes)
			w.wantRefused(tt.name, 1002)
		}
		v.echoed(t)
	})
}

func TestThreatA3_CVE_2026_48779_TinyFragmentsRetainNothing(t *testing.T) {
	const limit = 1024 // frames, the default
	connections := 1000
	if testing.Short() || raceEnabled {
		connections = 200
	}
	// The victims hold what they are sent: the attacker reads nothing, for there
	// is nothing to read.
	v := newVictims(t, wsproto.RoleServer, byDefault, transport.Limits{})
	attackers := make([]*wire, connections)
	for i := range attackers {
		attackers[i] = v.open(t)
	}
	one := attackers[0].frame(wsproto.OpContinuation, false, "x")
	message := append(attackers[0].frame(wsproto.OpBinary, false, "x"), bytes.Repeat(one, limit-2)...)
	message = append(message, attackers[0].ping("all?")...)
	before := held()
	for _, w := range attackers {
		w.send(message)
	}
	for _, w := range attackers {
		w.want("all frames have come", gotPong("all?"))
	}
	each := (held() - before) / int64(connections)
	t.Logf("%d bytes on the wire retain %d", len(message), each)
	if most := int64(2*len(message) + 8<<10); each > most {
		t.Errorf("each connection retains %d bytes for %d on the wire, want at most %d", each, len(message), most)
	}
	for _, w := range attackers {
		w.send(one, one)
		w.wantRefused("one frame too many", 1008)
	}
	v.echoed(t)
}

func TestThreatA3_CVE_2026_48779_HundredsOfThousandsOfFragments(t *testing.T) {
	for name, payload := range map[string]string{"of one byte": "x", "empty": ""} {
		t.Run(name, func(t *testing.T) {
			liveRoles(t, transport.Limits{}, func(t *testing.T, v *victims) {
				w := v.open(t)
				thousand := bytes.Repeat(w.frame(wsproto.OpContinuation, false, payload), 1000)
				spent := allocated(func() {
					w.send(w.frame(wsproto.OpText, false, payload))
					for range 200 {
						if _, err := w.nc.Write(thousand); err != nil {
							break // cut off already
						}
					}
					w.wantRefused("too many fragments", 1008)
				})
				if spent > 256<<10 {
					t.Errorf("%d bytes allocated", spent)
				}
				v.echoed(t)
			})
		})
	}
}

func TestThreatA4_UnfinishedMessageIsClosedThoughPingsAreAnswered(t *testing.T) {
	bothRoles(t, func(t *testing.T, role wsproto.Role) {
		starts := map[string]func(w *wire) []byte{
			"first frame of two": func(w *wire) []byte { return w.frame(wsproto.OpText, false, "begin") },
			"half a frame":       func(w *wire) []byte { return w.binary("a whole frame")[:9] },
			"first byte":         func(w *wire) []byte { return w.text("x")[:1] },
		}
		for name, start := range starts {
			c, w := memWire(t, role, transport.Limits{})
			l := serve(c, nil)
			w.send(start(w))
			begin := time.Now()
			whole := name == "first frame of two"
			for second := 1; ; second++ {
				time.Sleep(time.Second)
				if whole && second < 30 {
					w.send(w.ping("alive"))
					w.want("pings are answered meanwhile", gotPong("alive"))
					w.send(w.pong("")) // and we say that we live, too
				}
				synctest.Wait()
				if second > 32 {
					t.Fatalf("%s: still open after %v", name, since(begin))
				}
				if ended(l) {
					break
				}
			}
			if d := since(begin); d < 29*time.Second || d > 31*time.Second {
				t.Errorf("%s: closed after %v, want 30 s ± 1 s", name, d)
			}
			w.wantRefused(name, 1008)
			var le *transport.LimitError
			if err := l.end(t); !errors.As(err, &le) || le.Option != "MessageTimeout" {
				t.Errorf("%s: ended with %v, want a LimitError that names MessageTimeout", name, err)
			}
		}
	})
}

// ended reports whether OnClose was called.
func ended(l *log) bool {
	select {
	case <-l.ended:
		return true
	default:
		return false
	}
}

func TestThreatA5_InvalidTextIsRefusedAtItsFirstBadByte(t *testing.T) {
	bothRoles(t, func(t *testing.T, role wsproto.Role) {
		for _, bad := range []string{
			"\x80", "\xC0\xAF", "\xC1", "\xE0\x80", "\xED\xA0", "\xF0\x80", "\xF4\x90", "\xF5", "\xFF", "\xE2\x28", "\xF0\x9F\x28",
		} {
			for _, way := range []string{"in the middle of a frame", "in the second fragment", "at the end"} {
				c, w := memWire(t, role, transport.Limits{})
				l := serve(c, nil)
				text := "grüße " + bad
				switch way {
				case "in the middle of a frame":
					f := w.text(text + strings.Repeat("x", 1000))
					w.send(f[:len(f)-1000]) // nothing of what follows the bad byte
				case "in the second fragment":
					w.send(w.frame(wsproto.OpText, false, text[:3])) // in the middle of the ü
					f := w.frame(wsproto.OpContinuation, false, text[3:]+"xxx")
					w.send(f[:len(f)-3])
				case "at the end":
					w.send(w.text(text))
				}
				w.wantRefused(fmt.Sprintf("%q %s", bad, way), 1007)
				if err := l.end(t); l.got() != "" {
					t.Errorf("%q %s: delivered %q, then %v", bad, way, l.got(), err)
				}
			}
		}
		// A close reason is text too.
		c, w := memWire(t, role, transport.Limits{})
		serve(c, nil)
		w.send(w.close(1000, "\xFF"))
		w.wantRefused("a close reason that is no text", 1007)
	})
}

// firstBad returns where the first byte of s is that no valid text has there.
func firstBad(s string) int {
	at := 0
	for at < len(s) {
		r, n := utf8.DecodeRuneInString(s[at:])
		if r == utf8.RuneError && n == 1 {
			break
		}
		at += n
	}
	for !utf8.FullRuneInString(s[at:]) {
		s += "x" // the end is not a byte of the text
	}
	n := 1
	for !utf8.FullRuneInString(s[at : at+n]) {
		n++
	}
	return at + n - 1
}

func TestThreatA5_InvalidTextIsRefusedAtItsFirstBadByteWhereverItIsSplit(t *testing.T) {
	bothRoles(t, func(t *testing.T, role wsproto.Role) {
		for _, bad := range []string{
			"\x80", "\xC0\xAF", "\xC1\xBF", "\xE0\x80\xAF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xED\xBF\xBF", "\xF0\x80\x80\xAF", "\xF0\x8F\xBF\xBF",
			"\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFE", "\xFF", "\xE2\x28\xA1", "\xE2\x82\x28", "\xF0\x9F\x28\x80", "\xF0\x9F\x98\x28",
		} {
			text := "ü€" + bad
			end := firstBad(text) + 1 // nothing behind the first bad byte is sent
			for at := range end {
				// One frame that announces more, in two writes.
				c, w := memWire(t, role, transport.Limits{})
				l := serve(c, nil)
				f := w.text(text + strings.Repeat("x", 1000))
				head := len(f) - len(text) - 1000
				w.send(f[:head+at])
				synctest.Wait()
				if ended(l) {
					t.Fatalf("%q: refused after %d bytes, which are valid", text, at)
				}
				w.send(f[head+at : head+end])
				w.wantRefused(fmt.Sprintf("%q in writes split at %d", text, at), 1007)
				// Two fragments, the second of which announces more.
				c, w = memWire(t, role, transport.Limits{})
				serve(c, nil)
				w.send(w.frame(wsproto.OpText, false, text[:at]), w.ping("so far"))
				w.want("what has come is valid", gotPong("so far"))
				f = w.frame(wsproto.OpContinuation, true, text[at:]+strings.Repeat("x", 1000))
				w.send(f[:len(f)-1000-len(text)+end])
				w.wantRefused(fmt.Sprintf("%q in fragments split at %d", text, at), 1007)
			}
		}
	})
}

// flood returns how many frames are one.
func flood() int {
	if testing.Short() || raceEnabled {
		return 100_000
	}
	return 1_000_000
}

func TestThreatA7_CVE_2019_9512_PingsThatNobodyReadsGrowNothing(t *testing.T) {
	pings := flood()
	for _, role := range []wsproto.Role{wsproto.RoleServer, wsproto.RoleClient} {
		t.Run(role.String(), func(t *testing.T) {
			ours, theirs := memnet.PipeBuffer(16 << 10)
			c := testConn(t, ours, role, transport.Limits{MaxControlFrames: -1})
			w := newWire(t, theirs, role)
			handled := make(chan struct{}, 1)
			l := serve(c, func(*transport.Conn, transport.MessageType, []byte) { handled <- struct{}{} })
			thousand := bytes.Repeat(w.ping("are you there?"), 1000)
			// Until the answers are stuck.
			for range 10 {
				w.send(thousand)
			}
			before := held()
			for range pings / 1000 {
				w.send(thousand)
			}
			w.send(w.binary("that was all"))
			<-handled
			// Their answers would take 2 MB and more.
			if grown := held() - before; grown > 256<<10 {
				t.Errorf("%d pings made the memory grow by %d bytes", pings, grown)
			}
			// One is being written, and one waits.
			if bytes, _ := c.Buffered(); bytes > 2*(14+wsproto.MaxHeaderSize) {
				t.Errorf("%d bytes of pongs are pending", bytes)
			}
			must(t, c.CloseNow())
			_ = l.end(t)
		})
	}
}

func TestThreatA7_CVE_2019_9512_PingFloodIsAbuse(t *testing.T) {
	liveRoles(t, transport.Limits{}, func(t *testing.T, v *victims) {
		w := v.open(t)
		flood := bytes.Repeat(w.ping(""), 1000)
		for range 1000 {
			if _, err := w.nc.Write(flood); err != nil {
				break // cut off already
			}
		}
		must(t, w.nc.SetReadDeadline(time.Now().Add(10*time.Second)))
		for {
			g, err := w.next()
			must(t, err)
			if g.op == wsproto.OpPong {
				continue
			}
			if want := closePayload(1008, ""); g.op != wsproto.OpClose || !strings.HasPrefix(g.payload, want) {
				t.Errorf("got %v, want close frame 1008", g)
			}
			break
		}
		v.echoed(t)
	})
}

func TestThreatA7_GHSA_cgwc_pv48_fhj5_PongsStartNothing(t *testing.T) {
	pongs := flood()
	for _, role := range []wsproto.Role{wsproto.RoleServer, wsproto.RoleClient} {
		t.Run(role.String(), func(t *testing.T) {
			c, w := memWire(t, role, transport.Limits{MaxControlFrames: -1})
			handled := make(chan struct{}, 1)
			serve(c, func(*transport.Conn, transport.MessageType, []byte) { handled <- struct{}{} })
			thousand, last := bytes.Repeat(w.pong("8 bytes!"), 1000), w.binary("that was all")
			before, most := runtime.NumGoroutine(), 0
			spent := allocated(func() {
				for range pongs / 1000 {
					_, err := w.nc.Write(thousand)
					must(t, err)
					most = max(most, runtime.NumGoroutine())
				}
				_, err := w.nc.Write(last)
				must(t, err)
				<-handled
			})
			bound := int64(8 * pongs) // no object is that small
			if raceEnabled {
				bound *= 3 // pools drop a quarter of what they are given, and it is read anew
			}
			if spent > bound || most > before {
				t.Errorf("%d pongs cost %d bytes and %d goroutines", pongs, spent, most-before)
			}
			if bytes, frames := c.Buffered(); bytes != 0 || frames != 0 {
				t.Errorf("%d frames of %d bytes are the answer to pongs", frames, bytes)
			}
		})
	}
}

func TestThreatA8_MaskKeysAreUnpredictable(t *testing.T) {
	const n = 20_000
	c, w := memWire(t, wsproto.RoleClient, transport.Limits{})
	sent := make(chan error, 1)
	go func() {
		for range n {
			if err := c.Write(context.Background(), transport.MessageBinary, []byte("m")); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	var keys []byte
	seen := make(map[[4]byte]bool)
	repeated := 0
	for range n {
		for len(w.buf) < 7 {
			b := make([]byte, 4096)
			m, err := w.nc.Read(b)
			must(t, err)
			w.buf = append(w.buf, b[:m]...)
		}
		h, _, err := wsproto.ParseHeader(w.buf)
		if err != nil || !h.Masked {
			t.Fatalf("%v, masked %t", err, h.Masked)
		}
		if seen[h.Key] {
			repeated++
		}
		seen[h.Key] = true
		keys = append(keys, h.Key[:]...)
		w.buf = w.buf[7:]
	}
	must(t, <-sent)
	// Of 20,000 keys of 32 bits two are the same once in 21 times.
	if repeated > 3 {
		t.Errorf("%d of %d keys were used before", repeated, n)
	}
	// The values of each byte, of the bits between neighbours, and of the steps
	// from key to key are even: chi-square with 255 degrees of freedom is below
	// 380 but once in a million.
	for name, at := range map[string]func(i int) byte{
		"bytes": func(i int) byte { return keys[i] },
		"steps": func(i int) byte { return keys[i] - keys[max(i-4, 0)] },
		"pairs": func(i int) byte { return keys[i]<<4 | keys[max(i-1, 0)]>>4 },
	} {
		var counts [256]float64
		for i := 4; i < len(keys); i++ {
			counts[at(i)]++
		}
		expected, chi := float64(len(keys)-4)/256, 0.0
		for _, k := range counts {
			chi += (k - expected) * (k - expected) / expected
		}
		if chi > 400 {
			t.Errorf("%s: chi-square %.0f", name, chi)
		}
	}
}

func TestThreatE7_CVE_2024_23672_CloseIsOverInSixSecondsWhateverThePeerDoes(t *testing.T) {
	// In a bubble time passes only when everybody waits, so that a connection that
	// is busy with waiting never ends.
	peers := map[string]func(w *wire){
		"reads nothing, says nothing": func(w *wire) {},
		"sends messages without end": func(w *wire) {
			for frame := w.binary(strings.Repeat("x", 1000)); ; time.Sleep(time.Millisecond) {
				if _, err := w.nc.Write(frame); err != nil {
					return
				}
			}
		},
		"sends pings without end": func(w *wire) {
			for frame := w.ping("?"); ; time.Sleep(20 * time.Millisecond) {
				if _, err := w.nc.Write(frame); err != nil {
					return
				}
			}
		},
		"begins a frame and dribbles": func(w *wire) {
			for frame := w.announced(0x82, 1<<30); ; frame = []byte("x") {
				if _, err := w.nc.Write(frame); err != nil {
					return
				}
				time.Sleep(time.Second / 2)
			}
		},
		"closes its half": func(w *wire) { _ = w.nc.(interface{ CloseWrite() error }).CloseWrite() }, // never fails
	}
	bothRoles(t, func(t *testing.T, role wsproto.Role) {
		for name, act := range peers {
			for _, serves := range []bool{true, false} {
				ours, theirs := memnet.Pipe()
				c := testConn(t, ours, role, transport.Limits{MaxMessageSize: -1, MaxControlFrames: -1})
				w := newWire(t, theirs, role)
				if serves {
					serve(c, nil)
				}
				begin := time.Now()
				peer := make(chan struct{})
				go func() { // ends with the connection
					defer close(peer)
					act(w)
				}()
				go c.Close(transport.StatusNormalClosure, "bye") // what it returns is tested elsewhere
				<-c.Done()
				if d := since(begin); d > 6*time.Second {
					t.Errorf("a peer that %s: gone after %v, want 5 s + 1 s at the most", name, d)
				}
				// Our end is closed: the peer cannot write either.
				if _, err := w.nc.Write([]byte{0}); err == nil {
					t.Errorf("a peer that %s: the network connection is left open", name)
				}
				<-peer
			}
		}
	})
}
