package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/kleeedolinux/socket.go/socket/internal/poll"
)

// LongPollingTransport carries messages over plain HTTP requests, for places
// that WebSocket does not get through. Use [NewLongPollingTransport].
//
// Messages go both ways whole, in order and exactly once as long as the session
// lives: a request or an answer that is lost on the way is sent again by the
// transport itself. When the session ends, because the server closed it, does not
// know it any more, or cannot be reached, Receive and Send return an error that
// says why, and Connect begins a new session. Messages of up to 1 MiB are taken; a
// larger one ends the session.
//
// All methods may be called from any goroutine.
type LongPollingTransport struct {
	url     string
	options longPollingOptions

	mu   sync.Mutex // guards link
	link *pollingLink
}

// NewLongPollingTransport returns a transport for the server at an http or https
// URL. It does nothing until Connect is called, which also reports what is wrong
// with the URL or the options.
func NewLongPollingTransport(url string, opts ...LongPollingOption) *LongPollingTransport {
	t := &LongPollingTransport{url: url}
	for _, o := range opts {
		o.applyLongPolling(&t.options)
	}
	t.options.setDefaults()
	return t
}

// EnableCompression lets requests of 1 KiB and more be compressed. It takes effect
// with the next Connect. Answers are compressed when the server wants that.
func (t *LongPollingTransport) EnableCompression() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.options.compression = true
}

// Connect opens a session, in place of an earlier one, which is given up. ctx
// limits the opening only.
func (t *LongPollingTransport) Connect(ctx context.Context) error {
	_, err := t.connect(ctx, "")
	return err
}

// ConnectSession is Connect with an offer to go on with an earlier session of package
// socket, in the way of [WebSocketTransport.ConnectSession].
func (t *LongPollingTransport) ConnectSession(ctx context.Context, offer string) (answer string, err error) {
	return t.connect(ctx, offer)
}

func (t *LongPollingTransport) connect(ctx context.Context, offer string) (answer string, err error) {
	t.mu.Lock()
	old, options := t.link, t.options
	t.mu.Unlock()
	if old != nil {
		old.end(errReplaced)
		old.release()
	}
	link, answer, err := openPollingLink(ctx, t.url, options, offer)
	if err != nil {
		return "", err
	}
	t.mu.Lock()
	replaced := t.link != old
	if !replaced {
		t.link = link
	}
	t.mu.Unlock()
	if replaced {
		link.end(errReplaced)
		link.release()
		return "", errReplaced
	}
	return answer, nil
}

// Abort ends the session on this side, without telling the server, as if the network had
// been lost.
func (t *LongPollingTransport) Abort() {
	if link := t.current(); link != nil {
		link.end(errAborted)
		link.release()
	}
}

// errAborted is the end of a session that Abort has ended.
var errAborted = fmt.Errorf("transport: long polling: aborted: %w", net.ErrClosed)

// Send queues a text message and returns; the server has it soon after. It waits
// while the queue is full, 1024 messages or 1 MiB, for as long as [WithTimeout]
// says. data must be valid UTF-8, is copied, and must not be larger than the
// server takes.
func (t *LongPollingTransport) Send(data []byte) error {
	return t.send([][]byte{data}, MessageText)
}

// SendBinary is Send for a binary message.
func (t *LongPollingTransport) SendBinary(data []byte) error {
	return t.send([][]byte{data}, MessageBinary)
}

// SendBatch is Send for several text messages, which travel in one request as far
// as they fit. It returns the first error; the messages before are queued.
func (t *LongPollingTransport) SendBatch(messages [][]byte) error {
	return t.send(messages, MessageText)
}

// SendNow is Send, for a binary message SendBinary, that never waits: the error is
// [ErrQueueFull] when the queue is full.
func (t *LongPollingTransport) SendNow(typ MessageType, data []byte) error {
	link := t.current()
	if link == nil {
		return errNotConnected
	}
	if typ == MessageText && !utf8.Valid(data) {
		return errNotUTF8
	}
	_, err := link.push([][]byte{data}, typ)
	if errors.Is(err, poll.ErrFull) {
		return ErrQueueFull
	}
	return err
}

func (t *LongPollingTransport) send(messages [][]byte, typ MessageType) error {
	link := t.current()
	if link == nil {
		return errNotConnected
	}
	return link.send(messages, typ)
}

// Receive returns the next message, text or binary, and waits for it. The memory
// is the caller's. After the end of the session it returns what came before, and
// then the reason: a [*CloseError] when the server closed the session. After
// Close the error satisfies errors.Is(err, net.ErrClosed).
func (t *LongPollingTransport) Receive() ([]byte, error) {
	data, _, err := t.ReceiveMessage()
	return data, err
}

// ReceiveMessage is Receive that also tells whether the message is binary.
func (t *LongPollingTransport) ReceiveMessage() (data []byte, binary bool, err error) {
	link := t.current()
	if link == nil {
		return nil, false, errNotConnected
	}
	return link.receive()
}

// Close sends what is queued, ends the session on the server and ends all
// goroutines and connections of the transport. It takes a few seconds at most,
// then what was not delivered is given up, and the error says so, or how the session
// has ended before. Connect may be
// called again afterwards.
func (t *LongPollingTransport) Close() error {
	link := t.current()
	if link == nil {
		return nil
	}
	return link.close()
}

// SocketID returns the public id that the server gave the session, "" before
// Connect.
func (t *LongPollingTransport) SocketID() string {
	link := t.current()
	if link == nil {
		return ""
	}
	return link.id
}

func (t *LongPollingTransport) current() *pollingLink {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.link
}

// errReplaced ends a session in whose place Connect opened another.
var errReplaced = fmt.Errorf("transport: long polling: another Connect took the place of the session: %w", net.ErrClosed)

// reservedPollingHeaders are the fields that requests set themselves.
var reservedPollingHeaders = []string{
	http.CanonicalHeaderKey(tokenHeader), http.CanonicalHeaderKey(sessionHeader), "Content-Type", "Content-Length", "Content-Encoding",
	"Transfer-Encoding", "Connection", "Upgrade", "Trailer", "Te", "Expect",
	"Idempotency-Key",
}

// parsePollingURL checks the URL of a server and takes out of its query what the
// protocol sets.
func parsePollingURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		// The cause of a url.Error repeats no URL, which may hold a password.
		var e *url.Error
		if errors.As(err, &e) {
			err = e.Err
		}
		return nil, fmt.Errorf("transport: long polling: the URL is malformed: %w", err)
	}
	switch strings.ToLower(u.Scheme) {
	case "http", "https":
	case "ws", "wss":
		return nil, fmt.Errorf("transport: long polling: the scheme of the URL is %q, expected http or https (%s is for NewWebSocketTransport)", u.Scheme, u.Scheme)
	default:
		return nil, fmt.Errorf("transport: long polling: the scheme of the URL is %q, expected http or https", u.Scheme)
	}
	if u.Host == "" {
		return nil, errors.New("transport: long polling: the URL names no host")
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, fmt.Errorf("transport: long polling: the query of the URL is malformed: %w", err)
	}
	for name := range q {
		if slices.Contains([]string{"transport", "seq", "ack", "wait"}, name) {
			delete(q, name)
		}
	}
	q.Set("transport", "polling")
	u.RawQuery = q.Encode()
	u.Fragment, u.RawFragment = "", ""
	return u, nil
}
