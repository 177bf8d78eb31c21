package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
)

// connect opens the network connection for u: through a proxy where one is
// configured, and with TLS where u wants it.
func connect(ctx context.Context, u *url.URL, opts *DialOptions) (net.Conn, error) {
	secure := u.Scheme == "wss"
	proxy, err := proxyFor(u, secure, opts)
	if err != nil {
		return nil, err
	}
	target := hostPort(u, secure)
	var nc net.Conn
	if proxy == nil {
		nc, err = dialNet(ctx, opts, target)
	} else {
		nc, err = connectThrough(ctx, proxy, target, opts)
	}
	if err != nil || !secure {
		return nc, err
	}
	return startTLS(ctx, nc, opts.TLSConfig, u.Hostname())
}

// proxyFor asks for the proxy in the way that net/http does, under the scheme
// that its environment variables know.
func proxyFor(u *url.URL, secure bool, opts *DialOptions) (*url.URL, error) {
	find := opts.Proxy
	if find == nil {
		find = http.ProxyFromEnvironment
	}
	as := *u
	as.Scheme = "http"
	if secure {
		as.Scheme = "https"
	}
	proxy, err := find(&http.Request{Method: http.MethodGet, URL: &as, Host: as.Host, Header: http.Header{}})
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	return proxy, nil
}

// hostPort returns the address to dial.
func hostPort(u *url.URL, secure bool) string {
	port := u.Port()
	if port == "" {
		port = "80"
		if secure {
			port = "443"
		}
	}
	return net.JoinHostPort(u.Hostname(), port)
}

func dialNet(ctx context.Context, opts *DialOptions, address string) (net.Conn, error) {
	if opts.DialContext != nil {
		return opts.DialContext(ctx, "tcp", address)
	}
	var d net.Dialer
	return d.DialContext(ctx, "tcp", address)
}

// startTLS runs the client's TLS handshake on nc, and closes nc if that fails.
func startTLS(ctx context.Context, nc net.Conn, cfg *tls.Config, host string) (net.Conn, error) {
	if cfg == nil {
		cfg = &tls.Config{}
	}
	cfg = cfg.Clone()
	if cfg.ServerName == "" {
		cfg.ServerName = host
	}
	// A server that prefers HTTP/2 must not choose it: the handshake that
	// follows is HTTP/1.1.
	cfg.NextProtos = []string{"http/1.1"}
	tc := tls.Client(nc, cfg)
	if err := tc.HandshakeContext(ctx); err != nil {
		_ = nc.Close() // the first error is the one to report
		return nil, err
	}
	return tc, nil
}

// connectThrough opens a connection to target through a proxy.
func connectThrough(ctx context.Context, proxy *url.URL, target string, opts *DialOptions) (nc net.Conn, err error) {
	switch proxy.Scheme {
	case "http", "https", "socks5", "socks5h":
	default:
		return nil, fmt.Errorf("proxy scheme %q is not supported: want http, https or socks5", proxy.Scheme)
	}
	port := proxy.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[proxy.Scheme]
		if port == "" {
			port = "1080"
		}
	}
	if nc, err = dialNet(ctx, opts, net.JoinHostPort(proxy.Hostname(), port)); err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	if proxy.Scheme == "https" {
		// The caller's configuration is meant for the target, not for the proxy.
		if nc, err = startTLS(ctx, nc, nil, proxy.Hostname()); err != nil {
			return nil, fmt.Errorf("proxy: %w", err)
		}
	}
	stop := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(aLongTimeAgo) })
	if proxy.Scheme == "http" || proxy.Scheme == "https" {
		err = httpConnect(nc, target, proxy.User)
	} else {
		err = socks5(nc, target, proxy.User)
	}
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = nc.Close() // the first error is the one to report
		return nil, fmt.Errorf("proxy: %w", err)
	}
	return nc, nil
}

// httpConnect asks an HTTP proxy for a tunnel, RFC 9110 section 9.3.6.
func httpConnect(nc net.Conn, target string, user *url.Userinfo) error {
	request := "CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n"
	if user != nil {
		request += "Proxy-Authorization: " + basicAuth(user) + "\r\n"
	}
	resp, early, err := exchange(nc, []byte(request+"\r\n"))
	var he *HandshakeError
	switch {
	case errors.As(handshakeError(err), &he):
		return errors.New(he.Reason) // not of the server that is dialled
	case err != nil:
		return err
	case resp.Status/100 != 2:
		return fmt.Errorf("CONNECT was answered with HTTP status %d", resp.Status)
	case len(early) > 0:
		// The target speaks only when spoken to.
		return errors.New("the proxy sent data ahead of the tunnel's")
	}
	return nil
}

// socks5 asks a SOCKS proxy for a connection, RFC 1928, with the user name and
// password of RFC 1929 where there are any and the proxy wants them. Names are
// resolved by the proxy.
func socks5(nc net.Conn, target string, user *url.Userinfo) error {
	host, portText, err := net.SplitHostPort(target)
	if err != nil {
		return err
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil || len(host) > 255 {
		return fmt.Errorf("address %q cannot be asked for", target)
	}
	const version, noAuth, byPassword = 5, 0, 2
	methods := []byte{noAuth}
	if user != nil {
		methods = []byte{noAuth, byPassword}
	}
	var b [262]byte
	if err := ask(nc, append([]byte{version, byte(len(methods))}, methods...), b[:2]); err != nil {
		return err
	}
	if b[0] != version || !slices.Contains(methods, b[1]) {
		return errors.New("the SOCKS proxy refused the way of authentication")
	}
	if b[1] == byPassword {
		name := user.Username()
		password, _ := user.Password() // none is the empty one
		if len(name) == 0 || len(name) > 255 || len(password) > 255 {
			return errors.New("the SOCKS user name or password has a length that cannot be sent")
		}
		msg := append([]byte{1, byte(len(name))}, name...)
		msg = append(append(msg, byte(len(password))), password...)
		if err := ask(nc, msg, b[:2]); err != nil {
			return err
		}
		if b[1] != 0 {
			return errors.New("the SOCKS proxy refused the user name or password")
		}
	}
	const connectCommand = 1
	msg := appendSOCKSAddress([]byte{version, connectCommand, 0}, host)
	msg = append(msg, byte(port>>8), byte(port))
	if err := ask(nc, msg, b[:5]); err != nil {
		return err
	}
	if b[0] != version || b[1] != 0 {
		return fmt.Errorf("the SOCKS proxy answered with code %d", b[1])
	}
	// The rest of the bound address, which nobody needs.
	rest := map[byte]int{socksIPv4: 4, socksName: 1 + int(b[4]), socksIPv6: 16}[b[3]]
	if rest == 0 {
		return errors.New("the SOCKS proxy sent a malformed answer")
	}
	_, err = io.ReadFull(nc, b[:rest-1+2])
	return err
}

// The types of address in RFC 1928 section 5.
const (
	socksIPv4 = 1
	socksName = 3
	socksIPv6 = 4
)

// appendSOCKSAddress appends the address of host, a name of at most 255 bytes or
// an IP address.
func appendSOCKSAddress(dst []byte, host string) []byte {
	ip, err := netip.ParseAddr(host)
	switch {
	case err != nil || ip.Zone() != "":
		return append(append(dst, socksName, byte(len(host))), host...)
	case ip.Is4():
		return append(append(dst, socksIPv4), ip.AsSlice()...)
	}
	return append(append(dst, socksIPv6), ip.AsSlice()...)
}

// ask writes msg and fills answer with what comes back.
func ask(nc net.Conn, msg, answer []byte) error {
	if _, err := nc.Write(msg); err != nil {
		return err
	}
	_, err := io.ReadFull(nc, answer)
	return err
}
