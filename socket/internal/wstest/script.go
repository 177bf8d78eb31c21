package wstest

import (
	"testing/synctest"
	"time"
)

// These are the statements of a case that go beyond frames.

// Silence fails the test if the endpoint has sent anything.
func (p *Peer) Silence() {
	p.t.Helper()
	p.Want()
}

// Do has the application of the endpoint do something.
func (p *Peer) Do(a Action) {
	p.t.Helper()
	p.Flush()
	if err := p.ep.Do(a); err != nil {
		p.t.Fatalf("app %s: %v", a.Verb, err)
	}
	synctest.Wait()
}

// Wait lets time pass.
func (p *Peer) Wait(d time.Duration) {
	p.Flush()
	p.waited += d
	time.Sleep(d)
	synctest.Wait()
}

// Leave ends the peer's half of the network connection.
func (p *Peer) Leave() {
	p.Flush()
	_ = p.nc.CloseWrite() // fails only on a closed connection
	synctest.Wait()
}

// Vanish cuts the network connection.
func (p *Peer) Vanish() {
	p.Flush()
	p.nc.Cut()
	synctest.Wait()
	p.ended = true
}

// Told says what the application must have been told.
func (p *Peer) Told(v Verdict) {
	p.t.Helper()
	p.Flush()
	p.told = &v
	got, ok := p.ep.Told()
	if v.Kind == "protocol" || v.Kind == "limit" || v.Kind == "refused" {
		got.Reason = "" // a text of the endpoint's own
	}
	if !ok || got != v {
		p.t.Fatalf("the application was told %v (%t), want %v", got, ok, v)
	}
}

// Bye is an orderly end that the peer begins. RFC 6455 section 7.1.1: the
// network connection is closed first by the server.
func (p *Peer) Bye() {
	p.t.Helper()
	p.Send(Frame{Opcode: Close, Payload: closePayload(1000, nil)})
	p.Want(Expect{Frame: Frame{Opcode: Close, Payload: closePayload(1000, nil)}}, Expect{Closed: true})
	p.Told(Verdict{Kind: "closed", Code: 1000})
}

// Fails is the end by an endpoint that finds fault with the peer, RFC 6455
// section 7.1.7, after it has done what is listed. Kind is what the application
// is told, "protocol" or "limit".
func (p *Peer) Fails(kind string, code int, list ...Expect) {
	p.t.Helper()
	list = append(list, Expect{Frame: Frame{Opcode: Close, Payload: closePayload(code, nil)}, Any: true}, Expect{End: true})
	p.Want(list...)
	p.Told(Verdict{Kind: kind, Code: code})
}

// finish ends the case: the endpoint sends nothing more, whatever the peer does,
// and is gone when the peer is.
func (p *Peer) finish() {
	p.t.Helper()
	p.Silence()
	if p.told == nil {
		p.t.Fatal("the case does not say what the application is told")
	}
	if !p.ep.Gone() {
		// Whoever has begun to close gets the answer.
		p.Send(Frame{Opcode: Close, Payload: closePayload(1000, nil)})
		p.Send(Frame{Opcode: Text, Payload: []byte("too late")})
		p.Silence()
		_ = p.nc.Close() // closed already if the endpoint is in order
		synctest.Wait()
	}
	if !p.ep.Gone() {
		p.t.Error("the endpoint holds on to a connection that the peer has closed")
	}
	p.Told(*p.told)
	if passed := time.Since(p.began); passed != p.waited {
		p.t.Errorf("it took %v, want %v: nothing waits for a timer", passed, p.waited)
	}
	if p.role == Client && len(p.keys) > 2 && allEqual(p.keys) {
		p.t.Errorf("all frames were masked with the key %x", p.keys[0])
	}
}

func allEqual[T comparable](s []T) bool {
	for _, v := range s {
		if v != s[0] {
			return false
		}
	}
	return true
}
