package transport_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// tunnelOpened is an answer of an HTTP proxy that opens a tunnel, perhaps behind
// interim ones.
var tunnelOpened = regexp.MustCompile(`^(HTTP/1\.[0-9] 1[0-9][0-9]( [^\n]*)?\r\n([^\r\n][^\n]*\r\n)*\r\n)*HTTP/1\.[0-9] 2[0-9][0-9][ \r]`)

// FuzzProxyAnswer dials through proxies that answer with any bytes. What is
// written is what the protocol of the proxy asks for, exactly as far as its
// answers go, and the request for the target only through an open tunnel.
func FuzzProxyAnswer(f *testing.F) {
	const socks5Answer = "\x05\x00" + "\x05\x00\x00\x01\x7f\x00\x00\x01\x1f\x90"
	f.Add("http", "", "", []byte("HTTP/1.1 200 OK\r\n\r\n"), uint16(0))
	f.Add("http", "user", "p:w", []byte("HTTP/1.0 200\r\nA: b\r\n\r\nHTTP/1.1 101 Switching Protocols\r\n\r\n"), uint16(3))
	f.Add("http", "", "", []byte("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 3\r\n\r\nno!"), uint16(1))
	f.Add("http", "", "", []byte("HTTP/1.1 103 \r\n\r\nHTTP/1.1 299 \r\n\r\n"), uint16(2))
	f.Add("http", "", "", []byte("HTTP/1.1 200 OK\r\nA: "+strings.Repeat("a", 5000)), uint16(0))
	f.Add("socks5", "", "", []byte(socks5Answer), uint16(0))
	f.Add("socks5", "user", "password", []byte("\x05\x02\x01\x00"+socks5Answer[2:]+"HTTP/1.1 404 \r\n\r\n"), uint16(1))
	f.Add("socks5h", "user", "", []byte("\x05\x02\x01\x01"), uint16(0))
	f.Add("socks5", "", "", []byte("\x05\x00\x05\x00\x00\x03\x05proxy\x00\x50"), uint16(2))
	f.Add("socks5", "", "", []byte("\x05\x00\x05\x00\x00\x03\xff"+strings.Repeat("p", 257)), uint16(0))
	f.Add("socks5", "", "", []byte("\x05\x00\x05\x00\x00\x04"+strings.Repeat("\x00", 18)), uint16(0))
	f.Add("socks5", "", "", []byte("\x05\x00\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00"), uint16(0))
	f.Add("socks5", "", "", []byte("\x05\xff"), uint16(0))
	f.Add("https", "", "", []byte("\x15\x03\x01\x00\x02\x02\x28"), uint16(0))
	f.Fuzz(func(t *testing.T, scheme, user, password string, answer []byte, piece uint16) {
		proxy := &url.URL{Scheme: scheme, Host: "proxy.example"}
		if user != "" || password != "" {
			proxy.User = url.UserPassword(user, password)
		}
		var sent []byte
		synctest.Test(t, func(t *testing.T) {
			near, far := memnet.Pipe()
			defer near.Close()
			var group sync.WaitGroup
			group.Go(func() {
				for b := answer; len(b) > 0; {
					n := len(b)
					if piece > 0 {
						n = min(n, int(piece))
					}
					if _, err := far.Write(b[:n]); err != nil {
						return
					}
					b = b[n:]
					time.Sleep(time.Millisecond)
				}
			})
			group.Go(func() {
				buf := make([]byte, 4<<10)
				for {
					n, err := far.Read(buf)
					sent = append(sent, buf[:n]...)
					if err != nil {
						return
					}
				}
			})
			c, err := transport.Dial(context.Background(), "ws://target.example:8080/socket", &transport.DialOptions{
				Proxy:            func(*http.Request) (*url.URL, error) { return proxy, nil },
				DialContext:      func(context.Context, string, string) (net.Conn, error) { return near, nil },
				HandshakeTimeout: time.Minute + time.Duration(len(answer))*time.Millisecond,
			})
			if err == nil {
				c.CloseNow()
				t.Error("the bytes of a proxy were taken for a handshake")
			}
			near.Close()
			group.Wait()
			far.Close()
		})
		checkProxied(t, proxy, answer, sent)
	})
}

func checkProxied(t *testing.T, proxy *url.URL, answer, sent []byte) {
	t.Helper()
	var want []byte
	open := false
	switch proxy.Scheme {
	case "http":
		want = []byte("CONNECT target.example:8080 HTTP/1.1\r\nHost: target.example:8080\r\n")
		if proxy.User != nil {
			password, _ := proxy.User.Password()
			want = append(want, "Proxy-Authorization: Basic "+base64.StdEncoding.EncodeToString([]byte(proxy.User.Username()+":"+password))+"\r\n"...)
		}
		want = append(want, "\r\n"...)
		// Whether more than the head came with it is a matter of time.
		open = tunnelOpened.Match(answer) && len(sent) > len(want)
	case "socks5", "socks5h":
		want, open = socksTalk(proxy.User, answer)
	case "https":
		if len(sent) > 0 && sent[0] != 0x16 {
			t.Fatalf("%.200q was sent in place of a TLS handshake", sent)
		}
		return
	default:
		if len(sent) > 0 {
			t.Fatalf("%.200q was sent to a proxy of an unknown kind", sent)
		}
		return
	}
	if !bytes.HasPrefix(sent, want) {
		t.Fatalf("%q was sent to the proxy, want %q first", sent, want)
	}
	rest := string(sent[len(want):])
	if !open && rest != "" || open && !strings.HasPrefix(rest, "GET /socket HTTP/1.1\r\nHost: target.example:8080\r\n") {
		t.Fatalf("%q was sent behind what was for the proxy, open = %t", rest, open)
	}
	if open {
		readOneRequest(t, rest)
	}
}

// socksTalk returns what RFC 1928 and RFC 1929 have a client send in the face of
// these answers, and whether the tunnel is open then.
func socksTalk(user *url.Userinfo, answer []byte) (want []byte, open bool) {
	want = append(want, 5, 1, 0)
	if user != nil {
		want = []byte{5, 2, 0, 2}
	}
	if len(answer) < 2 || answer[0] != 5 || answer[1] != 0 && (answer[1] != 2 || user == nil) {
		return want, false
	}
	method := answer[1]
	answer = answer[2:]
	if method == 2 {
		name := user.Username()
		password, _ := user.Password()
		if len(name) < 1 || len(name) > 255 || len(password) > 255 {
			return want, false
		}
		want = append(append(want, 1, byte(len(name))), name...)
		want = append(append(want, byte(len(password))), password...)
		if len(answer) < 2 || answer[1] != 0 {
			return want, false
		}
		answer = answer[2:]
	}
	const host = "target.example"
	want = append(append(want, 5, 1, 0, 3, byte(len(host))), host...)
	want = append(want, 8080>>8, 8080&0xFF)
	if len(answer) < 5 || answer[0] != 5 || answer[1] != 0 {
		return want, false
	}
	size := map[byte]int{1: 4 + 4 + 2, 4: 4 + 16 + 2, 3: 4 + 1 + int(answer[4]) + 2}[answer[3]]
	return want, size > 0 && len(answer) >= size
}
