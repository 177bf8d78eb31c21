package fuzz

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

// FuzzPollingSession is FuzzWebSocketSession over long polling, where answers are
// lost, POSTs are sent again, one after the other or at once, polls are parked and
// superseded, and requests come that do not fit the session.
func FuzzPollingSession(f *testing.F) {
	for i, s := range sessionSeeds {
		f.Add(s.script, byte(i))
	}
	f.Fuzz(func(t *testing.T, script []byte, options byte) {
		if len(script) > 400 {
			return
		}
		bounded(t, bounds{memory: 64 << 20, perByte: 64 << 10, time: ordinary.time}, len(script), func(t *testing.T) {
			join := func(w *world) player { return &pollingPlayer{t: t, live: w.live, options: options} }
			newWorld(t, join).play(script)
		})
	})
}

// The parts of the options of [FuzzPollingSession].
const (
	sessionOneByOne = 1 << iota // each message travels in a POST of its own
	sessionParks                // there is always a poll that waits
)

// pollingPlayer is a client of long polling that makes every request itself.
type pollingPlayer struct {
	t       *testing.T
	live    *live
	options byte
	token   string
	ctx     context.Context // of all requests
	cancel  context.CancelFunc
	parked  sync.WaitGroup

	queue    []polled
	sent     uint64 // the number of the last message that was posted
	vanished bool
	losing   bool // the answer to the next poll is lost

	mu    sync.Mutex // guards the fields below
	acked uint64     // the number of the last message that came
	texts []string
	ended bool // the session is over, as far as the client knows
}

// polled is a record to post, or something else to do in its place.
type polled struct {
	record string
	resend byte
	do     func()
}

func (p *pollingPlayer) connect() string {
	p.ctx, p.cancel = context.WithCancel(context.Background())
	var opened struct {
		ID, Token string
		V         int
	}
	w := p.request("POST", "", "", "")
	if err := json.Unmarshal(w.Body.Bytes(), &opened); err != nil || w.Code != http.StatusOK || opened.V != 1 || opened.ID == opened.Token {
		p.t.Errorf("a session was opened with %d %s", w.Code, w.Body)
		return ""
	}
	p.token = opened.Token
	return opened.ID
}

func (p *pollingPlayer) request(method, query, token, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(p.ctx, method, "/socket?transport=polling"+query, strings.NewReader(body))
	if token != "" {
		r.Header.Set("Socket-Token", token)
	}
	w := httptest.NewRecorder()
	p.live.server.ServeHTTP(w, r)
	return w
}

func (p *pollingPlayer) add(text string, shape byte) {
	if shape&1 != 0 {
		text = "u" + base64.StdEncoding.EncodeToString([]byte(text))
	}
	if text[0] == 'n' { // "nope" stands for itself in no other form
		text = "u" + base64.StdEncoding.EncodeToString([]byte(text))
	}
	p.queue = append(p.queue, polled{record: text, resend: shape >> 1 & 3})
}

func (p *pollingPlayer) addBinary(data string, shape byte) {
	p.queue = append(p.queue, polled{record: "b" + base64.StdEncoding.EncodeToString([]byte(data)), resend: shape >> 1 & 3})
}

// odd queues a request that is refused, or what makes the next one strange.
func (p *pollingPlayer) odd(kind byte) (ends bool) {
	refused := func(want int, method, query, token, body string) {
		p.queue = append(p.queue, polled{do: func() {
			w := p.request(method, query, token, body)
			if w.Code != want && !p.over(w) || !json.Valid(w.Body.Bytes()) {
				p.t.Errorf("%s %s %.100q was answered %d %s, want %d", method, query, body, w.Code, w.Body, want)
			}
		}})
	}
	switch kind % 12 {
	case 0:
		p.queue = append(p.queue, polled{do: func() { p.losing = true }})
	case 1:
		p.queue = append(p.queue, polled{do: p.park})
	case 2: // two at once: one of them is superseded, or finds nothing
		p.queue = append(p.queue, polled{do: func() {
			p.park()
			p.park()
		}})
	case 3:
		refused(http.StatusConflict, "POST", "&seq=1000000", p.token, "1")
	case 4:
		refused(http.StatusBadRequest, "POST", "&seq=1", p.token, "")
	case 5:
		refused(http.StatusConflict, "GET", "&ack=1000000", p.token, "")
	case 6:
		refused(http.StatusUnauthorized, "GET", "&ack=0", "", "")
	case 7:
		refused(http.StatusNotFound, "POST", "&seq=1", strings.Repeat("A", 32), "1")
	case 8:
		refused(http.StatusMethodNotAllowed, "PATCH", "", p.token, "")
	case 9:
		refused(http.StatusRequestEntityTooLarge, "POST", "&seq=1", p.token, strings.Repeat("1\x1e", 64)+"1")
	case 10:
		refused(http.StatusBadRequest, "GET", "&ack=-1", p.token, "")
	case 11:
		refused(http.StatusRequestEntityTooLarge, "POST", "&seq=1", p.token, strings.Repeat("1", messageLimit+1))
	}
	return false
}

// over reports whether an answer says that the session is no more.
func (p *pollingPlayer) over(w *httptest.ResponseRecorder) bool {
	return w.Code == http.StatusGone || w.Code == http.StatusNotFound
}

func (p *pollingPlayer) leave(byte) {
	p.queue = append(p.queue, polled{do: func() {
		if w := p.request("DELETE", "", p.token, ""); w.Code != http.StatusNoContent && !p.over(w) {
			p.t.Errorf("the end of the session was answered %d %s", w.Code, w.Body)
		}
		p.end()
	}})
}

// cut ends the session beside the requests that are under way.
func (p *pollingPlayer) cut() {
	queue := p.queue
	p.queue = []polled{{do: func() {
		var group sync.WaitGroup
		group.Go(func() { p.request("DELETE", "", p.token, "") })
		p.post(queue)
		group.Wait()
		p.end()
	}}}
}

func (p *pollingPlayer) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
}

func (p *pollingPlayer) alive() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.ended && !p.vanished
}

func (p *pollingPlayer) flush() {
	queue := p.queue
	p.queue = nil
	p.post(queue)
	if p.losing && p.alive() {
		p.losing = false
		p.request("GET", "&wait=0&ack="+p.ack(), p.token, "") // nobody hears the answer
	}
	for p.alive() && p.poll("&wait=0") {
	}
	if p.options&sessionParks != 0 {
		p.park()
	}
}

// post sends what is queued, as many messages in one request as may go together.
func (p *pollingPlayer) post(queue []polled) {
	for len(queue) > 0 {
		if queue[0].do != nil {
			queue[0].do()
			queue = queue[1:]
			continue
		}
		n := 1
		for p.options&sessionOneByOne == 0 && n < len(queue) && queue[n].do == nil && queue[n].resend == queue[0].resend {
			n++
		}
		records := make([]string, n)
		for i, q := range queue[:n] {
			records[i] = q.record
		}
		if p.alive() {
			p.postRecords(records, queue[0].resend)
		}
		queue = queue[n:]
	}
}

// postRecords posts records, again and again as resend says.
func (p *pollingPlayer) postRecords(records []string, resend byte) {
	query := "&seq=" + strconv.FormatUint(p.sent+1, 10)
	p.sent += uint64(len(records))
	want := fmt.Sprintf(`{"ack":%d}`, p.sent)
	post := func() {
		w := p.request("POST", query, p.token, strings.Join(records, "\x1e"))
		if over := p.over(w); over {
			p.end()
		} else if w.Code != http.StatusOK || strings.TrimSpace(w.Body.String()) != want {
			p.t.Errorf("%s of %d records was answered %d %s, want %s", query, len(records), w.Code, w.Body, want)
		}
	}
	switch resend {
	case 0:
		post()
	case 1: // the answer was lost
		post()
		post()
	default: // or only late
		var group sync.WaitGroup
		for range resend {
			group.Go(post)
		}
		group.Wait()
	}
}

func (p *pollingPlayer) ack() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strconv.FormatUint(p.acked, 10)
}

// poll makes a poll and reports whether there may be more.
func (p *pollingPlayer) poll(query string) bool {
	w := p.request("GET", "&ack="+p.ack()+query, p.token, "")
	p.mu.Lock()
	defer p.mu.Unlock()
	switch w.Code {
	case http.StatusOK:
	case http.StatusNoContent:
		return false
	case http.StatusGone, http.StatusNotFound:
		p.ended = true
		return false
	case http.StatusConflict:
		// Another poll has acknowledged more meanwhile.
		return false
	default:
		p.t.Errorf("a poll was answered %d %s", w.Code, w.Body)
		return false
	}
	if p.vanished {
		return false // nobody hears the answer
	}
	first, err := strconv.ParseUint(w.Header().Get("Socket-Seq"), 10, 64)
	if err != nil || first > p.acked+1 {
		p.t.Errorf("an answer begins with message %q after %d", w.Header().Get("Socket-Seq"), p.acked)
		return false
	}
	for i, record := range strings.Split(w.Body.String(), "\x1e") {
		if first+uint64(i) <= p.acked {
			continue // it is known
		}
		if strings.HasPrefix(record, "u") {
			text, err := base64.StdEncoding.DecodeString(record[1:])
			if err != nil {
				p.t.Errorf("the record %.100q is malformed", record)
			}
			record = string(text)
		}
		p.texts = append(p.texts, record)
		p.acked++
	}
	return true
}

// park leaves a poll to wait for messages.
func (p *pollingPlayer) park() {
	if p.alive() {
		p.parked.Go(func() { p.poll("") })
	}
}

func (p *pollingPlayer) vanish() {
	for p.alive() && p.poll("&wait=0") { // the last sign of life
	}
	p.mu.Lock()
	p.vanished = true
	p.mu.Unlock()
	p.cancel()
	p.parked.Wait()
	synctest.Wait()
}

func (p *pollingPlayer) pass() {
	for p.alive() && p.poll("&wait=0") {
	}
}

func (p *pollingPlayer) received() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.texts
}

func (p *pollingPlayer) stop() {
	p.cancel()
	p.parked.Wait()
}
