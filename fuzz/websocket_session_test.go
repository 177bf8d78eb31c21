package fuzz

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/kleeedolinux/socket.go/socket"
)

// The parts of the options of [FuzzWebSocketSession].
const (
	sessionDeflate  = 1 << iota // compression is agreed on
	sessionStubborn             // close frames of the server are not answered
	sessionPieces               // bytes leave in small writes
)

// The first bytes of the steps of a session, see world.step.
const (
	doEcho    = 0
	doBinary  = 2
	doJoin    = 3
	doLeave   = 5
	doSay     = 6
	doSayMany = 8
	doSayAll  = 9
	doInvalid = 10
	doPanic   = 11
	doClose   = 12
	doOdd     = 13
	doEnd     = 14
	doCut     = 15
	doVanish  = 16
	doFlush   = 17
	doSleep   = 18
	doSend    = 19
	doTell    = 20
	doMember  = 21
	doKick    = 22
	doConnect = doSend // whatever is done to a slot without a connection
)

var sessionSeeds = []struct {
	name   string
	script []byte
}{
	{"echoes", []byte{doConnect, 0, doEcho, 0, doEcho, 0x34, doBinary, 0, doFlush, 0, doEcho, 0}},
	{"a room", []byte{doConnect, 0, doConnect, 1, doConnect, 2, doJoin, 0, doJoin, 1, doFlush, 0, doSay, 0, doSay, 1, doSay, 2, doFlush, 0,
		doLeave, 1, doFlush, 0, doSay, 0, doTell, 0}},
	{"two rooms, one copy", []byte{doConnect, 0, doConnect, 1, doJoin, 1, doJoin, 5, doFlush, 0, doSayMany, 16, doSayAll, 0}},
	{"joins and broadcasts at once", []byte{doConnect, 0, doConnect, 1, doJoin, 0, doSay, 1, doSay, 0, doLeave, 0, doSay, 1, doSay, 0}},
	{"ends", []byte{doConnect, 0, doConnect, 1, doConnect, 2, doEcho, 0, doEnd, 4, doEcho, 0, doClose, 1, doEcho, 1, doPanic, 2, doEcho, 2, doFlush, 0,
		doConnect, 0, doEcho, 0}},
	{"cuts", []byte{doConnect, 0, doConnect, 1, doJoin, 0, doJoin, 1, doFlush, 0, doSay, 0, doEcho, 0, doSay, 0, doCut, 0, doConnect, 0, doSay, 1}},
	{"invalid", []byte{doConnect, 0, doInvalid, 0, doInvalid, 4, doInvalid, 8, doInvalid, 12, doEcho, 0}},
	{"kicked by the application", []byte{doConnect, 0, doConnect, 1, doMember, 8, doMember, 9, doTell, 0, doFlush, 0, doKick, 0, doTell, 1, doMember, 5}},
	{"silence", []byte{doConnect, 0, doConnect, 1, doVanish, 0, doSleep, 8, doConnect, 0, doSleep, 12, doEcho, 0, doEcho, 1}},
	{"odd things", []byte{doConnect, 0, doOdd, 0, doOdd, 4, doEcho, 0, doFlush, 0, doOdd, 8, doEcho, 0, doFlush, 0,
		doConnect, 0, doOdd, 12, doFlush, 0, doConnect, 0, doOdd, 16, doFlush, 0, doConnect, 0, doOdd, 20, doFlush, 0, doConnect, 0, doOdd, 24, doFlush, 0,
		doConnect, 0, doOdd, 28, doFlush, 0, doConnect, 0, doOdd, 32, doFlush, 0, doConnect, 0, doOdd, 36, doFlush, 0, doConnect, 0, doOdd, 40}},
}

// FuzzWebSocketSession plays whole sessions of up to four clients at a time, that
// connect, send in all forms, join, leave, broadcast, break the protocol, are cut
// off, fall silent and come back, against a live server, and compares what
// handlers and clients get with a model: everything once and in order, to the
// members and nobody else, and a disconnect for every connect.
func FuzzWebSocketSession(f *testing.F) {
	for i, s := range sessionSeeds {
		f.Add(s.script, byte(i))
	}
	f.Fuzz(func(t *testing.T, script []byte, options byte) {
		if len(script) > 400 {
			return
		}
		bounded(t, bounds{memory: 64 << 20, perByte: 64 << 10, time: ordinary.time}, len(script), func(t *testing.T) {
			join := func(w *world) player { return &webSocketPlayer{t: t, live: w.live, options: options} }
			newWorld(t, join, socket.WithCompression(options&sessionDeflate != 0)).play(script)
		})
	})
}

// webSocketPlayer is a client of WebSocket that makes every frame itself.
type webSocketPlayer struct {
	t       *testing.T
	live    *live
	options byte
	nc      *end
	gone    chan struct{} // closed when nothing more can come

	out     sync.Mutex // held while frames are written: they must not be mixed
	pending []byte
	cutting bool
	masks   uint32 // made so far

	mu     sync.Mutex // guards the fields below
	got    []byte
	silent bool
}

func (p *webSocketPlayer) connect() string {
	p.nc = p.live.listener.dial()
	p.gone = make(chan struct{})
	_, _ = p.nc.Write([]byte(handshake(p.options&sessionDeflate != 0))) // there is room
	go p.pump()
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	r, rest, err := accepted(p.got)
	if err != nil || len(rest) > 0 {
		p.t.Errorf("the handshake gave %v, and %q behind it", err, rest)
		return ""
	}
	p.got = nil
	return r.Header.Get("Socket-Id")
}

// pump takes what the server sends, and answers pings and close frames.
func (p *webSocketPlayer) pump() {
	defer close(p.gone)
	buf := make([]byte, 4<<10)
	answered := 0
	for {
		n, err := p.nc.Read(buf)
		p.mu.Lock()
		p.got = append(p.got, buf[:n]...)
		var events []event
		if !p.silent && len(p.got) > 0 && p.got[0] != 'H' { // the answer to the handshake
			events = p.read().events
		}
		p.mu.Unlock()
		for ; answered < len(events); answered++ {
			switch e := events[answered]; {
			case e.op == opPing:
				p.answer(opPong, e.payload)
			case e.op == opClose && p.options&sessionStubborn == 0:
				p.answer(opClose, "")
			}
		}
		if err != nil {
			return
		}
	}
}

// read reads what has come. It is called with mu held.
func (p *webSocketPlayer) read() found {
	return reading{deflate: p.options&sessionDeflate != 0}.read(p.got)
}

func (p *webSocketPlayer) answer(op byte, payload string) {
	p.out.Lock()
	defer p.out.Unlock()
	_, _ = p.nc.Write(appendFrame(nil, 0x80|op, p.mask(), []byte(payload))) // the connection may have ended
}

// mask returns the next mask.
func (p *webSocketPlayer) mask() *[4]byte {
	p.masks += 0x9E3779B9
	return &[4]byte{byte(p.masks), byte(p.masks >> 8), byte(p.masks >> 16), byte(p.masks >> 24)}
}

func (p *webSocketPlayer) frame(b0 byte, payload string) {
	p.out.Lock()
	defer p.out.Unlock()
	p.pending = appendFrame(p.pending, b0, p.mask(), []byte(payload))
}

func (p *webSocketPlayer) add(text string, shape byte)       { p.message(opText, text, shape) }
func (p *webSocketPlayer) addBinary(data string, shape byte) { p.message(opBinary, data, shape) }

// message queues a message in as many fragments as shape says, compressed where
// that is agreed on, and with control frames in between.
func (p *webSocketPlayer) message(op byte, payload string, shape byte) {
	b0 := op
	if p.options&sessionDeflate != 0 && shape&8 != 0 {
		payload, b0 = deflated(payload), op|0x40
	}
	for n := int(shape & 3); n > 0 && len(payload) > 0; n-- {
		k := len(payload) / (n + 1)
		p.frame(b0, payload[:k])
		payload, b0 = payload[k:], opContinuation
		if shape&4 != 0 {
			p.frame(0x80|opPing, "between")
		}
	}
	p.frame(0x80|b0, payload)
}

// odd queues what only a test sends.
func (p *webSocketPlayer) odd(kind byte) (ends bool) {
	switch kind % 16 {
	case 0:
		p.frame(0x80|opPing, "hello")
		return false
	case 1:
		p.frame(0x80|opPong, "nobody asked")
		return false
	case 2:
		p.frame(0x80|0x20|opText, "reserved bit")
	case 3:
		p.frame(0x80|3, "reserved opcode")
	case 4:
		p.raw(appendFrame(nil, 0x80|opText, nil, []byte("no mask")))
	case 5:
		p.frame(0x80|opText, "\"bad \xff text\"")
	case 6:
		p.raw([]byte{0x80 | opBinary, 0xFF, 0, 0, 0, 0, 0x7F, 0xFF, 0xFF, 0xFF, 1, 2, 3, 4})
	case 7:
		p.frame(opText, "begun")
		p.frame(0x80|opText, "and begun again")
	case 8:
		p.frame(0x80|opContinuation, "of nothing")
	case 9:
		p.frame(opPing, "a fragment")
	case 10:
		p.frame(0x80|opPing, strings.Repeat("long", 40))
	case 11:
		p.frame(0x80|opClose, "\x03\xed") // 1005 is never sent
	case 12:
		p.frame(0x80|opClose, "\x03")
	case 13:
		p.raw([]byte{0x80 | opBinary, 0xFE, 0, 1, 0, 0, 0, 0, 'a'})
	case 14:
		p.raw([]byte{0x80 | opBinary, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 1})
	case 15:
		p.frame(opText, "")
		for range 20 {
			p.frame(opContinuation, "")
		}
	}
	return true
}

func (p *webSocketPlayer) raw(b []byte) {
	p.out.Lock()
	defer p.out.Unlock()
	p.pending = append(p.pending, b...)
}

func (p *webSocketPlayer) leave(kind byte) {
	p.frame(0x80|opClose, [4]string{"", "\x03\xe8", "\x03\xe9going away", "\x0b\xb8"}[kind&3])
}

func (p *webSocketPlayer) cut() { p.cutting = true }

func (p *webSocketPlayer) flush() {
	p.out.Lock()
	defer p.out.Unlock()
	piece := len(p.pending)
	if p.options&sessionPieces != 0 {
		piece = 7
	}
	for len(p.pending) > 0 {
		n := min(piece, len(p.pending))
		_, _ = p.nc.Write(p.pending[:n]) // the server may have closed
		p.pending = p.pending[n:]
	}
	if p.cutting {
		p.nc.Cut()
	}
}

func (p *webSocketPlayer) vanish() {
	p.answer(opPong, "the last sign of life")
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silent = true
}

func (p *webSocketPlayer) pass() {} // pings are answered as they come

func (p *webSocketPlayer) received() (texts []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.read()
	if f.fault != 0 {
		p.t.Fatalf("the server sent %.500q: %s", p.got, f.why)
	}
	for _, m := range f.messages() {
		texts = append(texts, m.payload)
	}
	return texts
}

func (p *webSocketPlayer) stop() {
	_ = p.nc.Close() // it may be closed
	<-p.gone
}
