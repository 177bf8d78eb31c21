package transport_test

import (
	"bytes"
	"compress/flate"
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

const offersDeflate = "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover\r\n"

// deflated is the payload of a compressed message, RFC 7692 section 7.2.1.
func deflated(message []byte) string {
	var out bytes.Buffer
	w, _ := flate.NewWriter(&out, flate.BestCompression) // fails for an unknown level only
	w.Write(message)                                     // as all writes to a buffer, does not fail
	w.Flush()
	return strings.TrimSuffix(out.String(), "\x00\x00\xff\xff")
}

// bomb is 60 MiB of zeros as a compressed message of 61 KB.
func bomb() string {
	one := deflated(make([]byte, 1<<20)) + "\x00\x00\xff\xff"
	return strings.TrimSuffix(strings.Repeat(one, 60), "\x00\x00\xff\xff")
}

func TestThreatB1_CVE_2026_27571_61KBOfBombCostQuarterOfAMegabyte(t *testing.T) {
	bomb := bomb()
	for _, tt := range []struct {
		name   string
		limits transport.Limits
	}{
		{"message size", transport.Limits{MaxMessageSize: 64 << 10}},
		{"inflate ratio", transport.Limits{MaxMessageSize: 100 << 20, MaxInflateRatio: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ends := make(chan *log, 1)
			h := liveServer(t, &transport.AcceptOptions{Compression: transport.Compressed(true), Limits: tt.limits}, func(c *transport.Conn) { ends <- serve(c, nil) })
			w := upgraded(t, h, offersDeflate)
			l := <-ends
			frame := w.header(wsproto.Header{Fin: true, RSV: 4, Opcode: wsproto.OpBinary}, bomb)
			// What other tests have left in pools is not counted on.
			runtime.GC()
			runtime.GC()
			spent := allocated(func() {
				if _, err := w.nc.Write(frame); err != nil {
					t.Error(err)
				}
				<-l.ended
			})
			w.wantRefused("a bomb", 1009)
			if err := l.end(t); l.got() != "" || !strings.Contains(err.Error(), tt.name) {
				t.Errorf("delivered %d bytes, ended with %v", len(l.got()), err)
			}
			t.Logf("%d bytes on the wire, %d bytes allocated", len(frame), spent)
			if spent > 256<<10 && !raceEnabled { // with the race detector, pools forget
				t.Errorf("%d bytes allocated for a bomb of %d, want at most 0.25 MB", spent, len(bomb))
			}
		})
	}
}

func TestThreatB1_CVE_2026_27571_ClientsAreProtectedToo(t *testing.T) {
	bomb := bomb()
	c, w := memDeflate(t, wsproto.RoleClient)
	l := serve(c, nil)
	frame := w.header(wsproto.Header{Fin: true, RSV: 4, Opcode: wsproto.OpBinary}, bomb)
	runtime.GC()
	runtime.GC()
	spent := allocated(func() {
		go w.nc.Write(frame) // ends with the connection
		<-l.ended
	})
	w.wantRefused("a bomb", 1009)
	if err := l.end(t); l.got() != "" {
		t.Errorf("delivered %d bytes, ended with %v", len(l.got()), err)
	}
	// A client takes 1 MiB; its buffer grows to that, and not to 60.
	if spent > 4<<20 {
		t.Errorf("%d bytes allocated for a bomb of %d, want at most four times the limit", spent, len(bomb))
	}
}

// memDeflate is memWire after an agreement on compression without takeover.
func memDeflate(t *testing.T, role wsproto.Role) (*transport.Conn, *wire) {
	t.Helper()
	ours, theirs := memPipe()
	c := transport.NewTestConn(ours, role, transport.Limits{}, &wsproto.DeflateParams{
		ServerNoTakeover: true, ClientNoTakeover: true, ServerBits: 15, ClientBits: 15,
	}, nil)
	t.Cleanup(func() { _ = c.CloseNow() })
	return c, newWire(t, theirs, role)
}

func TestThreatB3_BREACH_SizeTellsNothingOfOtherMessages(t *testing.T) {
	// What an attacker chooses, in a message of its own, is as long on the wire
	// whether it repeats a secret that went before or not.
	secret := []byte(`{"event":"session","data":"` + strings.Repeat("q7Hj2-", 100) + `"}`)
	other := []byte(`{"event":"session","data":"` + strings.Repeat("zzzzz!", 100) + `"}`)
	guess := []byte(`{"event":"chat","data":"` + strings.Repeat("q7Hj2-", 100) + `"}`)
	for _, role := range []wsproto.Role{wsproto.RoleServer, wsproto.RoleClient} {
		c, w := memDeflate(t, role)
		size := func(message []byte) int {
			must(t, c.Write(context.Background(), transport.MessageText, message))
			g, err := w.next()
			must(t, err)
			if g.rsv != 4 {
				t.Fatalf("%v: %v is not compressed", role, g)
			}
			return len(g.payload)
		}
		size(other)
		unlike := size(guess)
		for range 5 {
			size(secret)
			if like := size(guess); like != unlike {
				t.Errorf("%v: a guess has %d bytes behind the secret, %d otherwise", role, like, unlike)
			}
		}
		if role == wsproto.RoleClient {
			continue
		}
		// A message for many is compressed once and for itself, too.
		many := transport.NewPreparedMessage(transport.MessageText, guess)
		must(t, c.QueuePrepared(many))
		if g, err := w.next(); err != nil || len(g.payload) != unlike {
			t.Errorf("%v: for many, the guess has %d bytes, %v, want %d", role, len(g.payload), err, unlike)
		}
	}
	// Off is the default, in both roles.
	h := liveServer(t, nil, func(c *transport.Conn) { t.Cleanup(func() { _ = c.CloseNow() }) })
	nc := tcp(t, h)
	if _, err := nc.Write([]byte(asksToUpgrade + offersDeflate + "\r\n")); err != nil {
		t.Fatal(err)
	}
	if head := readHead(t, nc); strings.Contains(head, "Extensions") {
		t.Errorf("compression is agreed on without the option: %q", head)
	}
}

func TestThreatB4_IdleConnectionCostsTheSameWithCompression(t *testing.T) {
	connections := 1000
	if testing.Short() || raceEnabled {
		connections = 200
	}
	idle := func(fields string) int64 {
		served := make(chan *log, connections)
		h := liveServer(t, &transport.AcceptOptions{Compression: transport.Compressed(true)}, func(c *transport.Conn) { served <- serve(c, echoes) })
		message := []byte(strings.Repeat("compresses well ", 100))
		wires := make([]*wire, connections)
		before := heap()
		for i := range wires {
			wires[i] = upgraded(t, h, fields)
		}
		for _, w := range wires {
			frame := w.binary(string(message))
			if fields != "" {
				frame = w.header(wsproto.Header{Fin: true, RSV: 4, Opcode: wsproto.OpBinary}, deflated(message))
			}
			w.send(frame)
			if g, err := w.next(); err != nil || (g.rsv == 4) != (fields != "") {
				t.Fatalf("got %v, %v", g, err)
			}
			w.buf = nil
		}
		each := (heap() - before) / int64(connections)
		runtime.KeepAlive(wires)
		for _, w := range wires {
			must(t, w.nc.Close())
		}
		for range wires {
			_ = (<-served).end(t) // so that it is not freed while the next are measured
		}
		return each
	}
	idle("") // the first pays for what stays
	plain, compressed := idle(""), idle(offersDeflate)
	t.Logf("an idle connection, the attacker's end included: %d bytes of heap, %d with compression", plain, compressed)
	if compressed > plain+plain/10 {
		t.Errorf("an idle connection takes %d bytes with compression, %d without: want at most 10 %% more", compressed, plain)
	}
}

func TestThreatB5_DamagedMessagesEndTheirConnectionOnly(t *testing.T) {
	v := newVictims(t, wsproto.RoleServer, byDefault, transport.Limits{})
	h := liveServer(t, &transport.AcceptOptions{Compression: transport.Compressed(true)}, func(c *transport.Conn) {
		t.Cleanup(func() { _ = c.CloseNow() })
		serve(c, echoes)
	})
	rng := rand.New(rand.NewPCG(1, 2))
	text := []byte(strings.Repeat(`{"event":"chat","data":"hello"}`, 20))
	refused := 0
	for i := range 200 {
		payload := []byte(deflated(text))
		switch rng.IntN(3) {
		case 0:
			payload = payload[:1+rng.IntN(len(payload)-1)]
		case 1:
			payload[rng.IntN(len(payload))] ^= 1 << rng.IntN(8)
		default:
			payload = payload[rng.IntN(len(payload)-1)+1:]
		}
		w := upgraded(t, h, offersDeflate)
		w.send(w.header(wsproto.Header{Fin: true, RSV: 4, Opcode: wsproto.OpBinary}, string(payload)), w.ping("?"))
		switch g, err := w.next(); {
		case err != nil:
			t.Fatalf("%x: %v, want an answer", payload, err)
		case g.op == wsproto.OpClose:
			if refused++; !strings.HasPrefix(g.payload, closePayload(1007, "")) {
				t.Errorf("message %d, %x: closed with %q, want 1007", i, payload, g.payload)
			}
			w.wantOver(fmt.Sprintf("%x", payload))
		}
	}
	if refused < 100 {
		t.Errorf("%d of 200 damaged messages were refused", refused)
	}
	v.echoed(t)
}
