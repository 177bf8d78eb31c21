package pollhttp_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/pollhttp"
)

// D1: socket.io made session ids that could be guessed, and the id was the secret.
func TestThreatD1_CVE_2017_16031_SecretCannotBeGuessed(t *testing.T) {
	e := newTester(t, pollhttp.Config{})
	seen := map[string]bool{}
	var counts [256]int
	const n = 5000
	for range n {
		w := e.request("POST", "transport=polling", "", "")
		token := tokenOf(w.Body.String())
		_, rest, _ := strings.Cut(w.Body.String(), `"id":"`)
		id, _, _ := strings.Cut(rest, `"`)
		if len(token) != 32 || len(id) != 22 { // 192 and 128 bits
			t.Fatalf("token %q, id %q", token, id)
		}
		if seen[token] || seen[id] || strings.Contains(token, id) {
			t.Fatalf("token %q or id %q is not new", token, id)
		}
		seen[token], seen[id] = true, true
		for i := range len(token) {
			counts[token[i]]++
		}
	}
	// The characters are even: chi-square with 63 degrees of freedom is below 140
	// but once in 10 million runs.
	expected := float64(n) * 32 / 64
	chi, kinds := 0.0, 0
	for _, c := range counts {
		if c > 0 {
			kinds++
			chi += (float64(c) - expected) * (float64(c) - expected) / expected
		}
	}
	if kinds != 64 || chi > 140 {
		t.Errorf("%d characters, chi-square %.1f", kinds, chi)
	}
}

func TestThreatD1_CVE_2017_16031_AMillionTokensAreAllDifferent(t *testing.T) {
	n := 1_000_000
	if testing.Short() {
		n = 100_000
	}
	tokens := make([]string, n)
	for i := range tokens {
		tokens[i] = pollhttp.NewToken()
	}
	slices.Sort(tokens)
	if different := len(slices.Compact(tokens)); different != n {
		t.Errorf("%d of %d tokens were made before", n-different, n)
	}
}

func TestThreatD1_CVE_2017_16031_PublicIDIsNotAToken(t *testing.T) {
	for _, id := range []string{"", strings.Repeat("i", 32)} { // also if it has a token's length
		e := newTester(t, pollhttp.Config{})
		if id != "" {
			e = newTester(t, pollhttp.Config{NewID: func() string { return id }})
		}
		c := e.open()
		want(t, e.request("GET", "transport=polling&ack=0", c.id, ""), 404, "the session is unknown")
		want(t, e.request("DELETE", "transport=polling", c.id, ""), 404, "the session is unknown")
		c.send("still there")
		wantMessages(t, c.get(0), 1, "still there")
	}
}

// D2: NATS took over a session by its client id; Nezha served streams to others.
func TestThreatD2_CVE_2026_33215_SessionBelongsToItsPrincipal(t *testing.T) {
	owners := map[*pollhttp.Session]string{}
	e := newTester(t, pollhttp.Config{
		Open: func(s *pollhttp.Session, r *http.Request) (pollhttp.Handler, error) {
			owners[s] = r.Header.Get("Authorization")
			return nil, nil
		},
		Check: func(s *pollhttp.Session, r *http.Request) error {
			if r.Header.Get("Authorization") != owners[s] {
				return errors.New("another user")
			}
			return nil
		},
	})
	as := func(user string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", user) }
	}
	w := e.request("POST", "transport=polling", "", "", as("victim"))
	c := &connection{e: e, token: tokenOf(w.Body.String()), handler: e.handlers[0]}
	c.send("for the victim")
	for _, thief := range []func(*http.Request){as("thief"), func(*http.Request) {}} {
		want(t, c.get(0, thief), 403, "the request does not belong to the session")
		want(t, c.post(1, "forged", thief), 403, "the request does not belong to the session")
		want(t, e.request("DELETE", "transport=polling", c.token, "", thief), 403, "the request does not belong to the session")
	}
	wantMessages(t, c.get(0, as("victim")), 1, "for the victim")
	if got := c.handler.texts(); got != "" {
		t.Errorf("the handler got %q", got)
	}
}

func TestThreatD2_SessionIDAndTokenAreTheServersAlone(t *testing.T) {
	e := newTester(t, pollhttp.Config{})
	fixed := strings.Repeat("f", 32)
	// A token that is offered while opening is looked up, and never adopted.
	want(t, e.request("POST", "transport=polling", fixed, `{"id":"mine","token":"`+fixed+`"}`), 404, "the session is unknown")
	w := e.request("POST", "transport=polling&id=mine&token="+fixed, "", `{"id":"mine","token":"`+fixed+`"}`)
	if w.Code != 200 || strings.Contains(w.Body.String(), "mine") || strings.Contains(w.Body.String(), fixed) {
		t.Errorf("opening with an id and a token was answered %d %s", w.Code, w.Body)
	}
	want(t, e.request("GET", "transport=polling&ack=0", fixed, ""), 404, "the session is unknown")
	// Nor is one in the URL taken for the header.
	token := tokenOf(w.Body.String())
	for _, name := range []string{"token", "socket-token", "sid"} {
		want(t, e.request("GET", "transport=polling&ack=0&"+name+"="+token, "", ""), 401, "the header Socket-Token")
	}
}

// D3: Phoenix split 8 MB of line breaks into 8.4 million list elements.
func TestThreatD3_CVE_2026_32689_BodyIsNoAmplifier(t *testing.T) {
	c := newTester(t, pollhttp.Config{}).open()
	bodies := []struct {
		name   string
		body   string
		status int
	}{
		{"separators", strings.Repeat("\x1e", 1<<20), 400},
		{"tiny records", strings.Repeat("1\x1e", 1<<19), 413},
		{"8 MB of separators", strings.Repeat("\x1e", 8<<20), 413},
		{"8 MB of base64", "b" + strings.Repeat("A", 8<<20), 413},
	}
	for _, tt := range bodies {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		w := c.post(1, tt.body)
		runtime.ReadMemStats(&after)
		if w.Code != tt.status {
			t.Errorf("%s: answered %d %s, want %d", tt.name, w.Code, w.Body, tt.status)
		}
		// Reading 1 MiB takes a few times that, since the buffer grows.
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 6<<20 {
			t.Errorf("%s: allocated %d bytes", tt.name, grown)
		}
	}
}

// D3, B1: the limit on a body counts inflated bytes.
func TestThreatD3_CVE_2020_36048_CompressedBodyIsBounded(t *testing.T) {
	c := newTester(t, pollhttp.Config{}).open()
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	zeros := make([]byte, 1<<20)
	for range 60 {
		z.Write(zeros)
	}
	z.Close()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	w := c.post(1, bomb.String(), func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") })
	runtime.ReadMemStats(&after)
	want(t, w, 413, "the body exceeds the limit of 1048576 bytes")
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 8<<20 {
		t.Errorf("%d bytes that inflate to 60 MiB: allocated %d bytes", bomb.Len(), grown)
	}
}

// D4: engine.io closes a session whose polls overlap; others lose or repeat.
func TestThreatD4_ConcurrentRequestsAreHandledExactlyOnceInOrder(t *testing.T) {
	const n = 80 // three POSTs each
	e := newTester(t, pollhttp.Config{})
	e.message = func(h *recording, m pollhttp.Message) {
		if err := h.Send(m); err != nil {
			t.Error(err)
		}
	}
	c := e.open()
	var requests sync.WaitGroup
	// Each message is posted by three goroutines, in an order of their own, again
	// and again until it is acknowledged.
	for worker := range 3 {
		for i := range n {
			seq := i + 1
			if worker == 1 {
				seq = n - i
			}
			requests.Go(func() {
				for {
					w := c.post(seq, strconv.Itoa(seq)+" ")
					if w.Code == 200 {
						return
					}
					if w.Code != 409 {
						t.Errorf("POST %d was answered %d %s", seq, w.Code, w.Body)
						return
					}
					runtime.Gosched()
				}
			})
		}
	}
	// Polls that overlap, and repeat old acknowledgements.
	var mu sync.Mutex // guards received
	var received []string
	for range 8 {
		requests.Go(func() {
			for {
				mu.Lock()
				ack := len(received)
				mu.Unlock()
				if ack == n {
					return
				}
				w := c.e.request("GET", "transport=polling&wait=50&ack="+strconv.Itoa(ack), c.token, "")
				switch w.Code {
				case 200:
					first, _ := strconv.Atoi(w.Header().Get("Socket-Seq"))
					mu.Lock()
					for i, record := range strings.Split(w.Body.String(), "\x1e") {
						if first+i == len(received)+1 {
							received = append(received, record)
						}
					}
					mu.Unlock()
				case 204:
				case 409: // another poll has acknowledged more meanwhile
				default:
					t.Errorf("a poll was answered %d %s", w.Code, w.Body)
					return
				}
			}
		})
	}
	requests.Wait()
	var all []string
	for i := range n {
		all = append(all, strconv.Itoa(i+1)+" ")
	}
	if got := c.handler.texts(); got != strings.Join(all, " ") {
		t.Errorf("the handler got %q", got)
	}
	if got := strings.Join(received, ""); got != strings.Join(all, "") {
		t.Errorf("the client got %q", got)
	}
}

func TestThreatD4_RequestsOfASessionAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		e := newTester(t, pollhttp.Config{})
		e.message = func(h *recording, m pollhttp.Message) { <-gate }
		c, other := e.open(), e.open()
		var posts []*pending
		for range 300 {
			posts = append(posts, c.startPost(1, "1"))
		}
		synctest.Wait()
		want(t, c.get(0), 429, "too many requests of the session are in flight")
		want(t, other.post(1, ""), 400, "a record is empty") // it has its own bound
		close(gate)
		codes := map[int]int{}
		for _, p := range posts {
			codes[p.wait().Code]++
		}
		if codes[200] != 255 || codes[429] != 45 { // the batch with the handler counts as one
			t.Errorf("answered %v", codes)
		}
		if got := c.handler.texts(); got != "1" {
			t.Errorf("the handler got %q", got)
		}
	})
}

// D6: sessions that are opened and never polled.
func TestThreatD6_CVE_2020_36048_SessionsNeverPolledAreReaped(t *testing.T) {
	n := 20_000
	if testing.Short() {
		n = 1000
	}
	synctest.Test(t, func(t *testing.T) {
		live := 0
		var mu sync.Mutex // guards live
		e := pollhttp.New(pollhttp.Config{Open: func(s *pollhttp.Session, r *http.Request) (pollhttp.Handler, error) {
			mu.Lock()
			defer mu.Unlock()
			live++
			return closedFunc(func() {
				mu.Lock()
				defer mu.Unlock()
				live--
			}), nil
		}})
		heap := func() int64 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return int64(m.HeapAlloc)
		}
		// The runtime keeps the descriptors of goroutines that have ended: as many
		// as will ever call Closed at once are made here. The first round leaves the
		// table of a map, which the next ones use again.
		var warm sync.WaitGroup
		gate := make(chan struct{})
		for range n {
			warm.Go(func() { <-gate })
		}
		close(gate)
		warm.Wait()
		var base int64
		for round := range 3 {
			before := heap()
			for range n {
				r := httptest.NewRequest("POST", "/?transport=polling", nil)
				e.ServeHTTP(httptest.NewRecorder(), r)
			}
			if e.Len() != n {
				t.Fatalf("%d sessions", e.Len())
			}
			each := (heap() - before) / int64(n)
			t.Logf("%d bytes for each session that waits", each)
			if each > 1500 {
				t.Errorf("a session that waits takes %d bytes", each)
			}
			goroutines := runtime.NumGoroutine()
			time.Sleep(26 * time.Second)
			if got := runtime.NumGoroutine(); got > goroutines {
				t.Errorf("%d goroutines for sessions that wait", got-goroutines)
			}
			e.Advance(time.Now())
			synctest.Wait()
			if e.Len() != 0 || live != 0 {
				t.Errorf("%d sessions are left, %d handlers were not told", e.Len(), live)
			}
			if round == 0 {
				base = heap()
			}
		}
		if left := (heap() - base) / int64(n); left > 100 {
			t.Errorf("%d bytes are left of each session", left)
		}
		runtime.KeepAlive(e)
	})
}

// closedFunc is a handler that counts itself out.
type closedFunc func()

func (f closedFunc) Message(pollhttp.Message) {}
func (f closedFunc) Closed(error)             { f() }

// D7: socket.io let every origin read its answers.
func TestThreatD7_CVE_2020_28481_AnswersAreForNobodyElse(t *testing.T) {
	e := newTester(t, pollhttp.Config{Compression: true})
	c := e.open()
	c.send("1", strings.Repeat("long ", 500))
	cross := func(r *http.Request) {
		r.Header.Set("Origin", "https://evil.example")
		r.Header.Set("Accept-Encoding", "gzip")
		r.Header.Set("Sec-Fetch-Site", "cross-site")
	}
	answers := map[string]*httptest.ResponseRecorder{
		"open":         e.request("POST", "transport=polling&callback=steal", "", "", cross),
		"messages":     c.get(0, cross),
		"nothing":      e.request("GET", "transport=polling&ack=2&wait=0&callback=steal", c.token, "", cross),
		"acknowledged": c.post(1, "1", cross),
		"gap":          c.post(9, "1", cross),
		"malformed":    c.post(2, "", cross),
		"too large":    c.post(2, strings.Repeat("1", 2<<20), cross),
		"no method":    e.request("PATCH", "transport=polling", "", "", cross),
		"preflight":    e.request("OPTIONS", "transport=polling", "", "", cross),
		"unknown":      e.request("GET", "transport=polling&ack=0", "x", "", cross),
		"no token":     e.request("GET", "transport=polling&ack=0", "", "", cross),
		"no transport": e.request("GET", "", "", "", cross),
		"end":          e.request("DELETE", "transport=polling", c.token, "", cross),
	}
	for name, w := range answers {
		h := w.Header()
		for field := range h {
			if strings.HasPrefix(field, "Access-Control-") || field == "Set-Cookie" {
				t.Errorf("%s: %s: %s", name, field, h.Get(field))
			}
		}
		wantType := "application/json"
		switch {
		case w.Code == 204:
			wantType = ""
		case name == "messages":
			wantType = "text/plain; charset=utf-8"
		}
		if got := h.Get("Content-Type"); got != wantType {
			t.Errorf("%s: Content-Type = %q, want %q", name, got, wantType)
		}
		if strings.Contains(w.Body.String(), "steal") {
			t.Errorf("%s: the answer holds what the request said: %q", name, w.Body)
		}
		if h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", name, h)
		}
	}
}

func TestThreatD7_AllowedOriginGetsWhatItNeedsAndNoCredentials(t *testing.T) {
	w := httptest.NewRecorder()
	pollhttp.Preflight(w, "https://app.example")
	got := fmt.Sprint(w.Code, w.Header())
	const wanted = "204 map[Access-Control-Allow-Headers:[Socket-Token, Socket-Session, Authorization, Content-Type, Content-Encoding] " +
		"Access-Control-Allow-Methods:[GET, POST, DELETE] Access-Control-Allow-Origin:[https://app.example] " +
		"Access-Control-Expose-Headers:[Socket-Seq, Socket-Session, Retry-After] Access-Control-Max-Age:[600] Cache-Control:[no-store] Vary:[Origin]]"
	if got != wanted {
		t.Errorf("Preflight answered %s, want %s", got, wanted)
	}
}

// E9: python's websockets compared passwords byte by byte, and the time told how
// much was right. Here a secret is found by its hash: there is nothing in an
// engine's memory that could be compared with it.
func TestThreatE9_CVE_2021_33880_SecretsAreLookedUpByTheirHash(t *testing.T) {
	e := newTester(t, pollhttp.Config{})
	c := e.open()
	c.send("a message")
	wantMessages(t, c.get(0), 1, "a message")
	hash := sha256.Sum256([]byte(c.token))
	ids, hashes, tokens := 0, 0, 0
	eachText(reflect.ValueOf(e.Engine), make(map[uintptr]bool), func(text string) {
		switch {
		case strings.Contains(text, c.token):
			tokens++
		case text == c.id:
			ids++
		case text == string(hash[:]):
			hashes++
		}
	})
	if tokens > 0 {
		t.Error("an engine keeps the secret of a session")
	}
	if ids == 0 || hashes == 0 {
		t.Errorf("the engine's memory has the id %d times and the hash %d times: the test has not looked everywhere", ids, hashes)
	}
}

// eachText calls f for each string and each array of bytes that v leads to.
func eachText(v reflect.Value, seen map[uintptr]bool, f func(string)) {
	switch v.Kind() {
	case reflect.String:
		f(v.String())
	case reflect.Pointer:
		if !v.IsNil() && !seen[v.Pointer()] {
			seen[v.Pointer()] = true
			eachText(v.Elem(), seen, f)
		}
	case reflect.Interface:
		if !v.IsNil() {
			eachText(v.Elem(), seen, f)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			eachText(v.Field(i), seen, f)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			eachText(key, seen, f)
			eachText(v.MapIndex(key), seen, f)
		}
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			b := make([]byte, v.Len())
			for i := range b {
				b[i] = byte(v.Index(i).Uint())
			}
			f(string(b))
			return
		}
		for i := range v.Len() {
			eachText(v.Index(i), seen, f)
		}
	}
}
