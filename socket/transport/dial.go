package transport

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
)

// DialOptions configure [Dial]. nil and the zero value are the defaults.
type DialOptions struct {
	// Subprotocols are offered to the server, the preferred one first.
	Subprotocols []string

	// Header is added to the handshake request, for example Authorization,
	// Cookie or Origin. The fields of the handshake itself, and anything that is
	// not a valid field, make Dial fail.
	Header http.Header

	// TLSConfig is used for wss URLs; nil means the defaults of crypto/tls.
	// ServerName is taken from the URL when it is empty, also behind a proxy.
	TLSConfig *tls.Config

	// Compression offers permessage-deflate, RFC 7692, which the server may agree to.
	// nil, the default: it is not offered.
	Compression *Compression

	// Proxy returns the proxy for a request, whose URL has the scheme http or
	// https in place of ws or wss; a nil URL means none. Proxies may have the
	// schemes http, https and socks5. Default: [http.ProxyFromEnvironment].
	Proxy func(*http.Request) (*url.URL, error)

	// DialContext opens the network connection, to the proxy if there is one.
	// Default: a [net.Dialer].
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)

	// HandshakeTimeout bounds everything up to the open connection, within the
	// bound of the context. Default: 10 s; a negative value lifts it.
	HandshakeTimeout time.Duration

	// Limits and times; see [Limits].
	Limits

	// answered is told the header of the answer that opened the connection.
	answered func(header map[string][]string)
}

const defaultHandshakeTimeout = 10 * time.Second

// maxHandshakeAnswer is how much of an answer to a handshake is read, bytes.
const maxHandshakeAnswer = 4 << 10

// maxInterim is how many interim responses, with a status of 1xx, are skipped.
const maxInterim = 5

// Dial opens a WebSocket connection to a URL with the scheme ws or wss. ctx
// bounds the opening, not the connection. Redirects are not followed: they
// would carry the request's credentials elsewhere.
//
// An answer other than a valid handshake is a *[HandshakeError] in the chain of
// the returned error.
func Dial(ctx context.Context, rawURL string, opts *DialOptions) (*Conn, error) {
	if opts == nil {
		opts = &DialOptions{}
	}
	u, err := parseURL(rawURL, "ws", "wss")
	if err != nil {
		return nil, err
	}
	if t := orDefault(opts.HandshakeTimeout, defaultHandshakeTimeout); t > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, t)
		defer cancel()
	}
	c, err := dial(ctx, u, opts)
	if err != nil {
		if ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
			err = errors.Join(ctx.Err(), err)
		}
		return nil, fmt.Errorf("websocket: dial %s: %w", place(u), err)
	}
	return c, nil
}

// place returns u without what may be secret: user, password and query.
func place(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}).String()
}

// parseURL parses a URL whose scheme must be plain or secure.
func parseURL(rawURL, plain, secure string) (*url.URL, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		if ue := (*url.Error)(nil); errors.As(err, &ue) {
			err = ue.Err // without the URL, which may have secrets
		}
		return nil, fmt.Errorf("transport: URL: %w", err)
	}
	switch {
	case u.Scheme != plain && u.Scheme != secure:
		return nil, fmt.Errorf("transport: URL scheme %q is not supported here: want %s or %s", u.Scheme, plain, secure)
	case u.Hostname() == "":
		return nil, fmt.Errorf("transport: URL %q has no host", place(u))
	case u.Fragment != "":
		// RFC 6455 section 3: "Fragment identifiers are meaningless".
		return nil, fmt.Errorf("transport: URL %q has a fragment", place(u))
	}
	return u, nil
}

func dial(ctx context.Context, u *url.URL, opts *DialOptions) (*Conn, error) {
	var nonce [16]byte
	rand.Read(nonce[:]) // never fails
	req := wsproto.DialRequest{
		Host:         u.Host,
		Target:       u.RequestURI(),
		Key:          base64.StdEncoding.EncodeToString(nonce[:]),
		Subprotocols: opts.Subprotocols,
		Header:       withBasicAuth(canonical(opts.Header), u),
	}
	if err := opts.Compression.validate(wsproto.RoleClient); err != nil {
		return nil, err
	}
	var offer *wsproto.DeflateOffer
	compression := newCompression(opts.Compression, wsproto.RoleClient)
	if compression != nil {
		offer = compression.offer()
		req.Extensions = wsproto.OfferDeflate(*offer)
	}
	// Built first: a header that cannot be sent should cost no connection.
	head, err := wsproto.AppendRequest(make([]byte, 0, 512), req)
	if err != nil {
		return nil, err
	}

	nc, err := connect(ctx, u, opts)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(aLongTimeAgo) })
	resp, early, err := exchange(nc, head)
	var agreed wsproto.Agreed
	if err == nil {
		agreed, err = wsproto.CheckResponse(resp, req.Key, opts.Subprotocols, offer)
		err = refusal(handshakeError(err), resp, nc, early)
	}
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = nc.Close() // the first error is the one to report
		return nil, handshakeError(err)
	}
	if opts.answered != nil {
		opts.answered(resp.Header)
	}
	var params *wsproto.DeflateParams
	if agreed.Compressed {
		params = &agreed.Deflate
	}
	cfg := opts.Limits.newConfig(wsproto.RoleClient, defaultClientMessage)
	cfg.compression = compression
	return newConn(nc, cfg, agreed.Subprotocol, params, early), nil
}

// exchange sends a request and reads the head of the answer, and what came
// behind it.
func exchange(nc net.Conn, request []byte) (wsproto.Response, []byte, error) {
	if _, err := nc.Write(request); err != nil {
		return wsproto.Response{}, nil, err
	}
	buf := make([]byte, maxHandshakeAnswer)
	interim := 0
	for n := 0; ; {
		m, err := nc.Read(buf[n:])
		n += m
		for {
			resp, size, perr := wsproto.ParseResponse(buf[:n], maxHandshakeAnswer)
			if perr != nil {
				return resp, nil, perr
			}
			if size == 0 {
				break
			}
			if !resp.Interim() {
				return resp, buf[size:n], nil
			}
			if interim++; interim > maxInterim {
				return resp, nil, &wsproto.HandshakeError{Status: resp.Status, Reason: "too many interim responses"}
			}
			n = copy(buf, buf[size:n])
		}
		if err != nil {
			return wsproto.Response{}, nil, fmt.Errorf("connection lost before the answer: %w", err)
		}
		if n == len(buf) {
			return wsproto.Response{}, nil, &wsproto.HandshakeError{Reason: "the header of the response is too long"}
		}
	}
}

// refusal adds to the error of a refused handshake what the answer says: after what time to
// try again, and the one-sentence reason that a server of this module gives in the body,
// with the code by which it has closed a session.
func refusal(err error, resp wsproto.Response, nc net.Conn, body []byte) error {
	var he *HandshakeError
	if !errors.As(err, &he) || resp.Status == http.StatusSwitchingProtocols {
		return err
	}
	he.RetryAfter = retryAfter(resp.Header)
	if resp.Status < 400 || first(resp.Header["Content-Type"]) != "application/json" {
		return err
	}
	size, cerr := strconv.Atoi(first(resp.Header["Content-Length"]))
	if cerr != nil {
		size = maxHandshakeAnswer // until the end, as Connection: close has it
	}
	body = bytes.Clone(body)
	rest := min(size, maxHandshakeAnswer) - len(body)
	if rest > 0 {
		more, _ := io.ReadAll(io.LimitReader(nc, int64(rest))) // what came is judged below
		body = append(body, more...)
	}
	var answer struct {
		Error  string     `json:"error"`
		Code   StatusCode `json:"code"`
		Reason string     `json:"reason"`
	}
	if json.Unmarshal(body, &answer) != nil || answer.Error == "" || len(answer.Error) > maxReason {
		return err
	}
	he.Reason = fmt.Sprintf("the server says %q", answer.Error)
	if resp.Status == http.StatusGone && answer.Code != 0 {
		he.closed = &CloseError{Code: answer.Code, Reason: clip(answer.Reason)}
	}
	return err
}

// handshakeError turns the protocol core's error into the exported one.
func handshakeError(err error) error {
	var he *wsproto.HandshakeError
	var le *wsproto.LimitError
	switch {
	case errors.As(err, &he):
		return &HandshakeError{Status: he.Status, Reason: he.Reason}
	case errors.As(err, &le):
		return &HandshakeError{Reason: fmt.Sprintf("the %s exceeds %d", le.Limit, le.Max)}
	}
	return err
}

// withBasicAuth adds the user name and password of the URL, where it has any, to
// a canonical header that has no Authorization of its own.
func withBasicAuth(header http.Header, u *url.URL) http.Header {
	if u.User != nil && len(header["Authorization"]) == 0 {
		header.Set("Authorization", basicAuth(u.User))
	}
	return header
}

func basicAuth(user *url.Userinfo) string {
	password, _ := user.Password() // none is the empty one
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user.Username()+":"+password))
}
