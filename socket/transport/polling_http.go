package transport

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strconv"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/poll"
)

// The header fields of the protocol.
const (
	tokenHeader = "Socket-Token"
	seqHeader   = "Socket-Seq"
)

// What is read of an answer at most.
const (
	maxAnswerHead  = 16 << 10
	maxFailedBody  = 4 << 10
	maxAnswerCount = 1024
)

// newPollingClient returns an HTTP client with connections of its own. It keeps
// cookies, which load balancers use to find the server of a session again.
func newPollingClient(o *longPollingOptions) *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		panic("BUG: transport: " + err.Error())
	}
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            o.dial,
			TLSClientConfig:        pollingTLS(o.tlsConfig),
			TLSHandshakeTimeout:    10 * time.Second,
			ForceAttemptHTTP2:      true,
			MaxResponseHeaderBytes: maxAnswerHead,
			IdleConnTimeout:        90 * time.Second,
		},
		Jar: jar,
		// A redirect could carry the headers of the caller to another host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// pollingTLS returns the configuration for https. It is the client's own.
func pollingTLS(config *tls.Config) *tls.Config {
	config = config.Clone() // nil stays nil
	if config == nil {
		config = new(tls.Config)
	}
	if config.MinVersion == 0 {
		config.MinVersion = tls.VersionTLS12
	}
	return config
}

// open opens the session and starts its loops. It returns what the server says to offer.
func (l *pollingLink) open(ctx context.Context, offer string) (string, error) {
	var answer struct {
		Version int    `json:"v"`
		ID      string `json:"id"`
		Token   string `json:"token"`
		Wait    int64  `json:"wait"`
		Limit   struct {
			Messages int `json:"messages"`
			Bytes    int `json:"bytes"`
			Message  int `json:"message"`
		} `json:"limit"`
	}
	l.offer = offer
	response, cancel, err := l.do(ctx, http.MethodPost, nil, nil)
	l.offer = ""
	if err != nil {
		return "", err
	}
	defer cancel()
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return "", refusedOpening(response)
	}
	if err := readJSON(response, &answer); err != nil {
		return "", err
	}
	if answer.Version != 1 || !isToken(answer.Token) {
		return "", errors.New("transport: long polling: the server does not speak version 1 of the protocol")
	}
	l.id, l.token = answer.ID, answer.Token
	// A poll has to end before the timeout of its request.
	l.wait = min(l.timeout*5/6, time.Duration(min(max(answer.Wait, 1), 3600_000))*time.Millisecond)
	l.start(poll.Limits{Messages: answer.Limit.Messages, Body: answer.Limit.Bytes, Message: answer.Limit.Message})
	return response.Header.Get(sessionHeader), nil
}

// get makes a poll and returns its messages, none when there was nothing.
func (l *pollingLink) get(ack uint64) (first uint64, messages []poll.Message, err error) {
	response, cancel, err := l.do(l.ctx, http.MethodGet, url.Values{
		"ack":  {strconv.FormatUint(ack, 10)},
		"wait": {strconv.FormatInt(l.wait.Milliseconds(), 10)},
	}, nil)
	if err != nil {
		return 0, nil, err
	}
	defer cancel()
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusOK:
	case http.StatusNoContent:
		return 0, nil, nil
	default:
		return 0, nil, failedAnswer(response)
	}
	first, err = strconv.ParseUint(response.Header.Get(seqHeader), 10, 64)
	if err != nil {
		return 0, nil, errors.New("transport: long polling: the answer to a poll has no " + seqHeader)
	}
	// An answer has 1 MiB at most, or is one message, in base64 if it is binary.
	largest := 2 * max(l.largest, 1<<20)
	body, err := io.ReadAll(io.LimitReader(response.Body, int64(largest)+1))
	if err != nil {
		return 0, nil, &lostRequest{err}
	}
	messages, err = poll.ParseRecords(nil, body, poll.Limits{
		Messages: maxAnswerCount, Body: largest, Message: l.largest,
	})
	if err != nil {
		return 0, nil, fmt.Errorf("transport: long polling: the answer to a poll: %w", err)
	}
	return first, messages, nil
}

// post sends the records of body, the first of which has the number first, and
// returns the number of the last message that the server has.
func (l *pollingLink) post(first uint64, body []byte) (ack uint64, err error) {
	response, cancel, err := l.do(l.ctx, http.MethodPost, url.Values{
		"seq": {strconv.FormatUint(first, 10)},
	}, body)
	if err != nil {
		return 0, err
	}
	defer cancel()
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return 0, failedAnswer(response)
	}
	var answer struct {
		Ack uint64 `json:"ack"`
	}
	err = readJSON(response, &answer)
	return answer.Ack, err
}

// delete ends the session on the server. It expires there if this fails.
func (l *pollingLink) delete(ctx context.Context) {
	response, cancel, err := l.do(ctx, http.MethodDelete, nil, nil)
	if err != nil {
		return
	}
	defer cancel()
	defer response.Body.Close()
	io.CopyN(io.Discard, response.Body, maxFailedBody) // the end, or too much: both are fine
}

// do makes one request. The answer's body must be read before cancel is called.
func (l *pollingLink) do(ctx context.Context, method string, query url.Values, body []byte) (*http.Response, context.CancelFunc, error) {
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	target := *l.target
	if len(query) > 0 {
		target.RawQuery += "&" + query.Encode()
	}
	var reader io.Reader
	encoding := ""
	if body != nil {
		if l.compress && len(body) >= minCompressed {
			body, encoding = gzipped(body), "gzip"
		}
		reader = bytes.NewReader(body)
	}
	request, err := http.NewRequestWithContext(ctx, method, target.String(), reader)
	if err != nil {
		cancel()
		return nil, nil, fmt.Errorf("transport: long polling: %w", err)
	}
	for name, values := range l.headers {
		if name == "Host" && len(values) > 0 {
			request.Host = values[0]
			continue
		}
		request.Header[name] = values
	}
	if body != nil {
		request.Header.Set("Content-Type", "text/plain; charset=utf-8")
		if encoding != "" {
			request.Header.Set("Content-Encoding", encoding)
		}
	}
	if l.offer != "" {
		request.Header.Set(sessionHeader, l.offer)
	}
	if l.token != "" {
		request.Header.Set(tokenHeader, l.token)
		// Numbers make every request of a session repeatable, and net/http may do
		// that itself when a connection that it kept turns out to be closed. An
		// empty key says so without being sent.
		request.Header["Idempotency-Key"] = []string{}
	}
	response, err := l.client.Do(request)
	if err != nil {
		cancel()
		return nil, nil, &lostRequest{err}
	}
	return response, cancel, nil
}

// minCompressed is the smallest body that is worth compressing.
const minCompressed = 1 << 10

func gzipped(body []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	z.Write(body) // a buffer takes everything: no errors
	z.Close()
	return out.Bytes()
}

// lostRequest is the failure of a request that may have reached the server or not.
type lostRequest struct {
	err error
}

func (e *lostRequest) Error() string { return "transport: long polling: " + e.err.Error() }
func (e *lostRequest) Unwrap() error { return e.err }

// statusError is an answer with a status that is none of the protocol's.
type statusError struct {
	status int
	reason string // the server's, or ""
}

func (e *statusError) Error() string {
	text := fmt.Sprintf("transport: long polling: the server answered %d", e.status)
	if name := http.StatusText(e.status); name != "" {
		text += " " + name
	}
	if e.status >= 300 && e.status < 400 {
		text += " (redirects are not followed)"
	}
	if e.reason != "" {
		text += fmt.Sprintf(": %q", e.reason)
	}
	return text
}

// openingError is the refusal of the request that opens a session: an opening handshake
// that has made no connection.
type openingError struct {
	err     error // what the same answer to a later request would be
	refused *HandshakeError
}

func (e *openingError) Error() string   { return e.err.Error() }
func (e *openingError) Unwrap() []error { return []error{e.err, e.refused} }

// refusedOpening returns the error of an answer that opens no session.
func refusedOpening(response *http.Response) error {
	err := failedAnswer(response)
	return &openingError{err, &HandshakeError{
		Status: response.StatusCode, Reason: err.Error(), RetryAfter: retryAfter(response.Header),
	}}
}

// retryable reports whether the same request may succeed when it is made again.
func retryable(err error) bool {
	var lost *lostRequest
	if errors.As(err, &lost) {
		return true
	}
	var status *statusError
	if !errors.As(err, &status) {
		return false
	}
	switch status.status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// maxReason is how much of a reason of the server an error repeats.
const maxReason = 256

// failedAnswer returns the error of an answer that refuses a request.
func failedAnswer(response *http.Response) error {
	var answer struct {
		Error  string     `json:"error"`
		Code   StatusCode `json:"code"`
		Reason string     `json:"reason"`
	}
	// What is not ours, such as the page of a proxy, has no reason to repeat.
	body, _ := io.ReadAll(io.LimitReader(response.Body, maxFailedBody))
	if json.Unmarshal(body, &answer) != nil {
		answer.Error, answer.Code, answer.Reason = "", 0, ""
	}
	if response.StatusCode == http.StatusGone {
		if answer.Code == 0 {
			answer.Code = StatusNoStatusReceived
		}
		return &CloseError{Code: answer.Code, Reason: clip(answer.Reason)}
	}
	return &statusError{status: response.StatusCode, reason: clip(answer.Error)}
}

func clip(s string) string {
	if len(s) > maxReason {
		return s[:maxReason]
	}
	return s
}

// readJSON decodes an answer that is a small JSON object.
func readJSON(response *http.Response, into any) error {
	body, err := io.ReadAll(io.LimitReader(response.Body, maxFailedBody))
	if err != nil {
		return &lostRequest{err}
	}
	if json.Unmarshal(body, into) != nil {
		return errors.New("transport: long polling: the answer is not the protocol's: is there a socket server at the URL?")
	}
	return nil
}
