package distributed

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"
)

//go:embed page.html
var page string

// What the page shows at most.
var pageLimits = treeLimits{children: 300, all: 3000}

// maxPageList is how many links and the like the page is told of a process.
const maxPageList = 100

// Handler returns a handler of HTTP requests that shows the processes of the node: to a
// browser as a page that keeps itself up to date and needs nothing from elsewhere; with
// the query format=json, or to those who accept application/json, as the JSON behind it,
// whose form is not promised; and to everybody else, like curl, as the text of
// [Node.WriteTree]. It takes GET and HEAD at whatever path it is put.
//
// It only reads, and looks at all processes once a second at most, however many ask. But
// it tells names, types and numbers to whoever asks: it must not be exposed to the public.
// Put it behind authentication, or on a listener of its own that only operators reach.
func (n *Node) Handler() http.Handler {
	h := &pageHandler{n: n, policy: "default-src 'none'; connect-src 'self'; img-src data:; base-uri 'none'; " +
		"form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; " +
		"style-src " + hashOf(page, "style") + "; script-src " + hashOf(page, "script")}
	h.text.render = func() ([]byte, error) {
		var out bytes.Buffer
		err := n.WriteTree(&out)
		return out.Bytes(), err
	}
	h.json.render = func() ([]byte, error) { return json.Marshal(n.tree(pageLimits)) }
	return h
}

// hashOf returns what a content security policy calls the text of an element of a page.
func hashOf(page, element string) string {
	_, text, _ := strings.Cut(page, "<"+element+">")
	text, _, _ = strings.Cut(text, "</"+element+">")
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

type pageHandler struct {
	n          *Node
	policy     string
	text, json rendered
}

// rendered is something that costs much to make, and is kept for a while.
type rendered struct {
	render func() ([]byte, error)

	mu    sync.Mutex // guards the fields below
	body  []byte
	until time.Time // when it is to be made anew
}

// get returns it. To make it takes a tenth of the time at most.
func (r *rendered) get() ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	start := time.Now()
	if start.Before(r.until) {
		return r.body, nil
	}
	body, err := r.render()
	if err != nil {
		return nil, err
	}
	took := time.Since(start)
	r.body, r.until = body, start.Add(max(time.Second, 10*took))
	return body, nil
}

func (h *pageHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Security-Policy", h.policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Cache-Control", "no-store")
	header.Set("Vary", "Accept")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		header.Set("Allow", "GET, HEAD")
		http.Error(w, "the processes are only read", http.StatusMethodNotAllowed)
		return
	}
	q := r.URL.Query()
	var body []byte
	var err error
	switch format := formatOf(q.Get("format"), r.Header.Get("Accept")); {
	case format == "json" && q.Has("id"):
		var info ProcessInfo
		if info, err = h.n.Info(ProcessID(q.Get("id"))); err != nil {
			http.Error(w, "no such process", http.StatusNotFound)
			return
		}
		header.Set("Content-Type", "application/json")
		body, err = json.Marshal(detailsOf(&info))
	case format == "json":
		header.Set("Content-Type", "application/json")
		body, err = h.json.get()
	case format == "html":
		header.Set("Content-Type", "text/html; charset=utf-8")
		body = []byte(page)
	case format == "text":
		header.Set("Content-Type", "text/plain; charset=utf-8")
		body, err = h.text.get()
	default:
		http.Error(w, "format is html, json or text", http.StatusBadRequest)
		return
	}
	if err != nil {
		h.n.log.Error("distributed: processes cannot be shown", "node", h.n.identity.name, "err", err)
		http.Error(w, "the processes cannot be shown", http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(body) // nobody is left to tell
}

// formatOf returns the format that somebody wants who has asked for one, or accepts types.
func formatOf(asked, accept string) string {
	switch {
	case asked != "":
		return asked
	case strings.Contains(accept, "text/html"):
		return "html"
	case strings.Contains(accept, "application/json"):
		return "json"
	}
	return "text"
}

// details are what the page tells of one process.
type details struct {
	ID         ProcessID    `json:"id"`
	PID        string       `json:"pid"`
	State      ProcessState `json:"state"`
	Handler    string       `json:"handler"`
	Parent     ProcessID    `json:"parent,omitempty"`
	Queue      int          `json:"queue"`
	Free       int          `json:"free"`
	Senders    int          `json:"senders,omitempty"`
	Callers    int          `json:"callers,omitempty"`
	Handled    uint64       `json:"handled"`
	Errors     uint64       `json:"errors,omitempty"`
	Busy       float64      `json:"busy"`              // seconds
	BusyFor    float64      `json:"busyFor,omitempty"` // seconds
	TrapsExits bool         `json:"traps,omitempty"`
	Lists      []pageList   `json:"lists,omitempty"`
}

// pageList are addresses or names, perhaps not all.
type pageList struct {
	Title string   `json:"title"`
	Items []string `json:"items"`
	More  int      `json:"more,omitempty"`
}

func detailsOf(i *ProcessInfo) details {
	d := details{
		ID: i.ID, PID: i.PID.String(), State: i.State, Handler: i.Handler, Parent: i.Parent,
		Queue: i.Queue, Free: i.Free, Senders: i.Senders, Callers: i.Callers,
		Handled: i.Handled, Errors: i.Errors, Busy: i.Busy.Seconds(), BusyFor: i.BusyFor.Seconds(), TrapsExits: i.TrapsExits,
	}
	addList(&d, "Names", i.Names)
	addList(&d, "Groups", i.Groups)
	addList(&d, "Capabilities", i.Capabilities)
	addList(&d, "Links", i.Links)
	addList(&d, "Monitors", i.Monitors)
	addList(&d, "Monitored by", i.MonitoredBy)
	return d
}

func addList[S ~string](d *details, title string, all []S) {
	if len(all) == 0 {
		return
	}
	l := pageList{Title: title, More: max(len(all)-maxPageList, 0)}
	for _, s := range all[:len(all)-l.More] {
		l.Items = append(l.Items, string(s))
	}
	d.Lists = append(d.Lists, l)
}
