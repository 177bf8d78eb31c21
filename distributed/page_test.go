package distributed_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/distributed"
)

func fetch(h http.Handler, method, target, accept string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestHandlerAnswersInTheFormatThatIsWanted(t *testing.T) {
	n := newNode(t)
	sink(t, n, distributed.WithName("a"))
	h := n.Handler()
	const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	tests := []struct {
		name, target, accept, typ, begins string
		status                            int
	}{
		{"browser", "/debug/", browser, "text/html; charset=utf-8", "<!doctype html>", 200},
		{"curl", "/", "*/*", "text/plain; charset=utf-8", "n: 1 process, ", 200},
		{"nothing said", "/", "", "text/plain; charset=utf-8", "n: 1 process, ", 200},
		{"plain text", "/", "text/plain", "text/plain; charset=utf-8", "n: 1 process, ", 200},
		{"accepts JSON", "/", "application/json", "application/json", `{"node":"n",`, 200},
		{"asks for JSON", "/?format=json", browser, "application/json", `{"node":"n",`, 200},
		{"asks for text", "/?format=text", browser, "text/plain; charset=utf-8", "n: 1 process, ", 200},
		{"asks for the page", "/?format=html", "", "text/html; charset=utf-8", "<!doctype html>", 200},
		{"one process", "/?format=json&id=a", "", "application/json", `{"id":"a",`, 200},
		{"nobody", "/?format=json&id=b", "", "text/plain; charset=utf-8", "no such process", 404},
		{"elsewhere", "/?format=json&id=a%40b", "", "text/plain; charset=utf-8", "no such process", 404},
		{"unknown format", "/?format=xml", "", "text/plain; charset=utf-8", "format is ", 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := fetch(h, "GET", tt.target, tt.accept)
			if w.Code != tt.status || w.Header().Get("Content-Type") != tt.typ || !strings.HasPrefix(w.Body.String(), tt.begins) {
				t.Errorf("%d %s %.100q", w.Code, w.Header().Get("Content-Type"), w.Body.String())
			}
			if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("header %v", w.Header())
			}
		})
	}
	n.Stop()
}

func TestHandlerOnlyReads(t *testing.T) {
	n := newNode(t)
	h := n.Handler()
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"} {
		w := fetch(h, method, "/", "")
		if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %d, Allow %q", method, w.Code, w.Header().Get("Allow"))
		}
	}
	if w := fetch(h, "HEAD", "/", ""); w.Code != http.StatusOK {
		t.Errorf("HEAD: %d", w.Code)
	}
}

func TestPageMayDoNothingButReadWhereItComesFrom(t *testing.T) {
	n := newNode(t)
	w := fetch(n.Handler(), "GET", "/", "text/html")
	policy := w.Header().Get("Content-Security-Policy")
	page := w.Body.String()
	for _, element := range []string{"style", "script"} {
		if c := strings.Count(page, "<"+element); c != 1 {
			t.Fatalf("%d %s elements", c, element)
		}
		_, text, _ := strings.Cut(page, "<"+element+">")
		text, _, _ = strings.Cut(text, "</"+element+">")
		sum := sha256.Sum256([]byte(text))
		want := fmt.Sprintf("%s-src 'sha256-%s'", element, base64.StdEncoding.EncodeToString(sum[:]))
		if !strings.Contains(policy, want) {
			t.Errorf("no %s in %q", want, policy)
		}
	}
	for _, want := range []string{"default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'", "base-uri 'none'",
		"form-action 'none'", "require-trusted-types-for 'script'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("no %s in %q", want, policy)
		}
	}
	if strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q", policy)
	}
	// Nothing comes from elsewhere, and no text becomes markup.
	for _, bad := range []string{"src=", "@import", "url(", "style=", "onclick",
		"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
}

// seen is what the page is told of a process.
type seen struct {
	ID, Name, What, State                 string
	Waiting, Handled, Restarts, Restarted int
	Children                              *seenBranch
}

type seenBranch struct {
	Shown []seen
	More  *struct{ Processes int }
}

type seenNode struct {
	Node          string
	Totals        struct{ Processes, Running, Waiting int }
	Trees, Others seenBranch
	Longest       []struct {
		ID      string
		Waiting int
	}
}

func TestPageIsToldTheTree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		town(t, n)
		var got seenNode
		w := fetch(n.Handler(), "GET", "/?format=json", "")
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		app := got.Trees.Shown[0]
		var children []string
		for _, c := range app.Children.Shown {
			children = append(children, strings.TrimSpace(c.Name+" "+c.State))
		}
		have := fmt.Sprint(got.Node, got.Totals, len(got.Trees.Shown), len(got.Others.Shown), got.Longest, app.ID, app.Restarts, children)
		if want := "n{14 1 2} 2 2 [{a 2}]app3 [running mailer restarting idle b idle idle old not running idle]"; have != want {
			t.Errorf("got %s, want %s", have, want)
		}
		n.Stop()
		time.Sleep(time.Hour)
	})
}

func TestHandlerLooksOnceASecondHoweverManyAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		h := n.Handler()
		for _, format := range []string{"json", "text"} {
			first := fetch(h, "GET", "/?format="+format, "").Body.Bytes()
			sink(t, n)
			time.Sleep(999 * time.Millisecond)
			if got := fetch(h, "GET", "/?format="+format, "").Body.Bytes(); !bytes.Equal(got, first) {
				t.Errorf("%s: looked again within a second", format)
			}
			time.Sleep(time.Millisecond)
			if got := fetch(h, "GET", "/?format="+format, "").Body.Bytes(); bytes.Equal(got, first) {
				t.Errorf("%s: did not look again", format)
			}
		}
		n.Stop()
	})
}

func TestPageIsToldABoundedPartOfWhatAProcessIsLinkedTo(t *testing.T) {
	n := newNode(t)
	sink(t, n, distributed.WithName("hub"))
	for range 300 {
		n.LinkProcesses("hub", sink(t, n).ID())
	}
	var got struct {
		Lists []struct {
			Title string
			Items []string
			More  int
		}
	}
	if err := json.Unmarshal(fetch(n.Handler(), "GET", "/?format=json&id=hub", "").Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	for _, l := range got.Lists {
		if l.Title == "Links" && len(l.Items) == 100 && l.More == 200 {
			return
		}
	}
	t.Errorf("lists %+v", got.Lists)
}
