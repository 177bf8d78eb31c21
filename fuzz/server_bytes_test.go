package fuzz

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
)

// The parts of the mode of [FuzzServerBytes].
const (
	afterHandshake = 1 << iota // data follows a good handshake
	withDeflate                // that agrees on compression
	asFrames                   // data describes frames, see frames
	inOneWrite                 // handshake and data come together
	endShift       = iota
)

// How a peer's part ends, in the bits of the mode from endShift on.
const (
	endSilent = iota // it waits until the server has had enough
	endWrite         // it closes its half of the connection
	endCut           // it resets the connection
	endClose         // it closes it
)

var serverBytesSeeds = []struct {
	name string
	data string
	mode byte
}{
	{"text", "\x81\x1f" + `{"event":"echo","data":"hello"}` + "\x81\x05hello", afterHandshake | asFrames},
	{"typed data", "\x81\x1d" + `{"event":"profile","data":{}}` + "\x82\x02\x00\xff\x81\x02[]", afterHandshake | asFrames | inOneWrite},
	{"fragments and a ping", "\x01\x10" + `{"event":"echo",` + "\x89\x02hi\x80\x09" + `"data":1}` + "\x8a\x00", afterHandshake | asFrames},
	{"requests and replies", "\x81\x21" + `{"req":7,"event":"echo","data":1}` + "\x81\x11" + `{"re":7,"data":1}` + "\x81\x1a" + `{"req":"7","event":"echo"}` + "\x81\x0f" + `{"re":1,"re":2}` + "\x81\x0a" + `{"re":"x"}`, afterHandshake | asFrames},
	{"close", "\x81\x0e" + `{"event":"any"` + "\x88\x05\x03\xe8bye\x81\x02{}", afterHandshake | asFrames | inOneWrite},
	{"the handler closes", "\x81\x11" + `{"event":"close"}` + "\x81\x0f" + `{"event":"any"}`, afterHandshake | asFrames | inOneWrite},
	{"the handler panics", "\x81\x11" + `{"event":"panic"}` + "\x81\x0f" + `{"event":"any"}`, afterHandshake | asFrames},
	{"bad text", "\x01\x03\"\xe2\x82\x80\x02\xac\"\x81\x02\xc0\x80", afterHandshake | asFrames},
	{"reserved bits", "\x81\x01[\xc1\x01[", afterHandshake | asFrames | endWrite<<endShift},
	{"compressed", compressed(0xC1, `{"event":"echo","data":"aaaaaaaaaaaaaaaaaaaa"}`) + compressed(0xC1, "1"), afterHandshake | asFrames | withDeflate},
	{"a bomb", compressed(0xC2, strings.Repeat("\x00", 1<<16)), afterHandshake | asFrames | withDeflate},
	{"compressed and cut off", "\xc2\x0c\x00\x0b\x00\xf4\xffhello w", afterHandshake | asFrames | withDeflate},
	{"compressed and damaged", "\xc1\x05\xaaV\xff-K", afterHandshake | asFrames | withDeflate},
	{"a last block", "\xc2\x07\xf3\x48\xcd\xc9\xc9\x07\x00\xc2\x07\xf2\x48\xcd\xc9\xc9\x07\x01", afterHandshake | asFrames | withDeflate},
	{"compressed and empty", "\xc2\x00\xc2\x01\x00\x82\x00", afterHandshake | asFrames | withDeflate},
	{"unmasked", "\x81\x02{}", afterHandshake},
	{"a length of 2^63", "\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", afterHandshake},
	{"a message that never ends", "\x01\x02\"a\x00\x02bc", afterHandshake | asFrames},
	{"cut", "\x81\x0f" + `{"event":"any"}`, afterHandshake | asFrames | endCut<<endShift},
	{"hung up", "\x81\x0f" + `{"event":"any"}`, afterHandshake | asFrames | inOneWrite | endClose<<endShift},
	{"from the start", handshake(true) + "\x81\x82\x00\x00\x00\x00{}", 0},
	{"a request before", "GET / HTTP/1.1\r\nHost: a\r\n\r\n" + handshake(false) + "\x88\x80\x00\x00\x00\x00", endWrite << endShift},
	{"a session of long polling", "POST /socket?transport=polling HTTP/1.1\r\nHost: a\r\n\r\n", 0},
	{"no HTTP", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", endClose << endShift},
}

// compressed describes a frame with a compressed message, see frames.
func compressed(b0 byte, text string) string {
	z := deflated(text)
	return string([]byte{b0, byte(len(z))}) + z
}

// FuzzServerBytes throws bytes at a live server: from the start, or behind a good
// handshake, in reads of any size. The handlers are told what the bytes say and
// nothing else, what comes back is valid, and everything ends.
func FuzzServerBytes(f *testing.F) {
	for i, s := range serverBytesSeeds {
		f.Add([]byte(s.data), s.mode, uint16(i%4))
	}
	f.Fuzz(func(t *testing.T, data []byte, mode byte, piece uint16) {
		if len(data) > 1<<16 {
			return
		}
		deflate := mode&withDeflate != 0
		input := data
		if mode&asFrames != 0 {
			input = frames(data, true)
		}
		var l *live
		var got []byte
		bounded(t, ordinary, len(data), func(t *testing.T) {
			l = newLive(socket.WithCompression(deflate))
			defer l.stop(t)
			p := l.dial()
			defer p.hangUp()
			switch {
			case mode&afterHandshake == 0:
				p.send(input, int(piece))
			case mode&inOneWrite != 0:
				p.send(append([]byte(handshake(deflate)), input...), 0)
			default:
				p.send([]byte(handshake(deflate)), 0)
				synctest.Wait()
				p.send(input, int(piece))
			}
			synctest.Wait()
			switch mode >> endShift & 3 {
			case endWrite:
				_ = p.CloseWrite() // never fails
			case endCut:
				p.Cut()
			case endClose:
				p.hangUp()
			}
			// The heartbeat has given up by then, and a session has expired.
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			if n := l.server.Count(); n != 0 {
				t.Errorf("%d connections are left", n)
			}
			select {
			case <-p.gone:
			default:
				t.Error("the connection is left")
			}
			got = p.received()
		})
		if mode&afterHandshake != 0 {
			checkServed(t, l.log(0), got, input, deflate, int(mode>>endShift&3))
		}
	})
}

// checkServed compares what a server has told its handlers and sent with what the
// peer's bytes say.
func checkServed(t *testing.T, log []string, got, input []byte, deflate bool, end int) {
	t.Helper()
	_, output, err := accepted(got)
	if err != nil {
		if end == endClose || end == endCut {
			return // the answer went with the connection
		}
		t.Fatal(err)
	}
	asked := asServer(deflate).read(input)
	want := []string{"connect"}
	var echoes []string
	byHandler := 0
	for _, m := range asked.messages() {
		v := judge(m, serverReserved, serverNames)
		want = append(want, v.log...)
		if v.echo != "" {
			echoes = append(echoes, v.echo)
		}
		if v.ends {
			byHandler = 1000
			if strings.HasPrefix(v.log[0], "panic") {
				byHandler = 1011
			}
			break
		}
	}
	if want = append(want, "disconnect"); !slices.Equal(log, want) {
		t.Fatalf("the handlers were told %q, want %q", log, want)
	}

	answer := reading{deflate: deflate}.read(output)
	if answer.fault != 0 {
		t.Fatalf("the server sent %.500q: %s", output, answer.why)
	}
	if end == endSilent && (answer.rest > 0 || answer.open) {
		t.Fatalf("the server stopped in the middle of a frame, or sent something behind its close frame: %.500q", output)
	}
	var pongs, pings []string
	for _, e := range answer.events {
		if e.op == opPong {
			pongs = append(pongs, e.payload)
		}
	}
	for _, e := range asked.events {
		if e.op == opPing {
			pings = append(pings, e.payload)
		}
	}
	if !subsequence(pongs, pings) {
		t.Fatalf("the server answered the pings %q with the pongs %q", pings, pongs)
	}
	var echoed []string
	for _, m := range answer.messages() {
		echoed = append(echoed, m.payload)
	}
	if n := len(echoed); n > len(echoes) || !slices.Equal(echoed, echoes[:n]) {
		t.Fatalf("the server sent %q, want the beginning of %q", echoed, echoes)
	}
	if end != endSilent {
		return
	}
	// Nobody has cut anything off: all of it must be there, and why it ended.
	closing, ok := answer.closed()
	if !ok {
		t.Fatalf("the server ended the connection without a close frame: %.500q", output)
	}
	ends := []int{1008} // no sign of life, or an unfinished message
	if e, ok := asked.closed(); ok {
		ends = []int{e.code}
	} else if asked.fault != 0 || asked.rest > 0 {
		ends = []int{1002, 1007, 1008, 1009}
	}
	if byHandler != 0 {
		ends = append(ends, byHandler)
	}
	if !slices.Contains(ends, closing.code) {
		t.Fatalf("the server closed with %v, want one of %v", closing, ends)
	}
	if asked.fault == 0 && byHandler == 0 && len(echoed) < len(echoes) {
		t.Fatalf("the server sent %q, want %q", echoed, echoes)
	}
}

// subsequence reports whether some is what is left of all when elements are taken
// out.
func subsequence(some, all []string) bool {
	for _, s := range some {
		i := slices.Index(all, s)
		if i < 0 {
			return false
		}
		all = all[i+1:]
	}
	return true
}
