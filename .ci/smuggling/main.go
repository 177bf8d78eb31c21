// Smuggling tries to get a request past a proxy's rule by hiding it behind an upgrade that is refused.
//
//	smuggling serve ADDRESS          a site: a socket server, and a page that the proxy in front forbids
//	smuggling attack NAME=ADDRESS…   attacks the site through each of the proxies, and prints a table
//
// A proxy that takes the refused request for a WebSocket tunnel passes on whatever follows it. So the server must not
// read on: the first row of the table is a handler that does, and shows that the rig finds it.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
)

const secret = "the-secret-of-the-page"

func main() {
	var err error
	switch {
	case len(os.Args) == 3 && os.Args[1] == "serve":
		err = serve(os.Args[2])
	case len(os.Args) > 2 && os.Args[1] == "attack":
		err = attackAll(os.Args[2:])
	default:
		err = errors.New("usage: smuggling serve ADDRESS | smuggling attack NAME=ADDRESS…")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "smuggling:", err)
		os.Exit(1)
	}
}

// serve runs the site.
func serve(address string) error {
	quiet := socket.WithLogger(slog.New(slog.DiscardHandler))
	open := socket.NewServer(quiet)
	full := socket.NewServer(quiet, socket.WithMaxConcurrency(1), socket.WithPingInterval(-1))
	mux := http.NewServeMux()
	mux.Handle("/socket", open)
	mux.Handle("/full", full)
	mux.HandleFunc("/guarded", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "" { // as docs/security.md shows it
			w.Header().Set("Connection", "close")
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		open.HandleHTTP(w, r)
	})
	// As other libraries refuse an upgrade: the connection stays open.
	mux.HandleFunc("/leaky", func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "unsupported version", http.StatusBadRequest)
	})
	mux.HandleFunc("/secret", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, secret) })
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- socket.NewHTTPServer("", mux).Serve(l) }()
	if err := occupy(l.Addr().String()); err != nil {
		return err
	}
	return <-served
}

// occupy takes the one place of the full server, for good.
func occupy(address string) error {
	nc, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	if _, err = io.WriteString(nc, upgrade("GET", "/full", "", "")); err != nil {
		return err
	}
	r, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err == nil && r.StatusCode != http.StatusSwitchingProtocols {
		err = fmt.Errorf("the first connection was answered with %s", r.Status)
	}
	return err
}

// upgrade is an opening handshake in which old is replaced by new.
func upgrade(method, path, old, new string) string {
	request := method + " " + path + " HTTP/1.1\r\nHost: site.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	return strings.Replace(request, old, new, 1)
}

const forbidden = "GET /secret HTTP/1.1\r\nHost: site.test\r\nConnection: close\r\n\r\n"

// attack is a request that is refused, and what hides behind it.
type attack struct {
	name    string
	request string
	leaks   bool // shows that the rig works
}

var attacks = []attack{
	{"(a handler that reads on)", upgrade("GET", "/leaky", "", ""), true},
	{"bad version", upgrade("GET", "/socket", "Version: 13", "Version: 777"), false},
	{"bad origin", upgrade("GET", "/socket", "Sec-", "Origin: https://evil.test\r\nSec-"), false},
	{"origin null", upgrade("GET", "/socket", "Sec-", "Origin: null\r\nSec-"), false},
	{"missing key", upgrade("GET", "/socket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""), false},
	{"POST", upgrade("POST", "/socket", "Sec-", "Content-Length: 0\r\nSec-"), false},
	{"server full", upgrade("GET", "/full", "", ""), false},
	{"refused by a handler in front", upgrade("GET", "/guarded", "", ""), false},
	{"h2c too", upgrade("GET", "/socket", "websocket", "websocket, h2c"), false},
	{"a protocol like it", upgrade("GET", "/socket", "websocket", "xwebsocket"), false},
	{"like it, for long polling", upgrade("POST", "/socket?transport=polling", "websocket", "websocket/13\r\nContent-Length: 0"), false},
	{"not refused", upgrade("GET", "/socket", "", ""), false},
}

// verdict is what came of an attack through one proxy.
type verdict struct {
	status   string
	smuggled bool
}

func attackAll(proxies []string) error {
	fmt.Printf("%-32s", "behind an upgrade that is refused")
	for _, p := range proxies {
		name, address, _ := strings.Cut(p, "=")
		fmt.Printf(" %-16s", name)
		answer, err := talk(address, 0, forbidden)
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", name, err)
		case !strings.HasPrefix(answer, "HTTP/1.1 403 ") || strings.Contains(answer, secret):
			return fmt.Errorf("%s does not forbid the page: %q", name, answer)
		}
	}
	fmt.Println()
	smuggled, shown := 0, 0
	for _, a := range attacks {
		fmt.Printf("%-33s", a.name)
		for _, p := range proxies {
			_, address, _ := strings.Cut(p, "=")
			v, err := through(address, a)
			if err != nil {
				return fmt.Errorf("%s through %s: %w", a.name, p, err)
			}
			text := v.status + ", kept out"
			switch {
			case v.smuggled && a.leaks:
				text = v.status + ", got in"
				shown++
			case v.smuggled:
				text = v.status + ", SMUGGLED"
				smuggled++
			}
			fmt.Printf(" %-16s", text)
		}
		fmt.Println()
	}
	switch {
	case smuggled > 0:
		return fmt.Errorf("%d requests were smuggled", smuggled)
	case shown == 0:
		return errors.New("not even the handler that reads on let anything through: the rig finds nothing")
	}
	fmt.Printf("%d attacks, none got in\n", (len(attacks)-1)*len(proxies))
	return nil
}

// through tries an attack in one segment, and with the hidden request a moment later.
func through(address string, a attack) (v verdict, err error) {
	for _, pause := range []time.Duration{0, 100 * time.Millisecond} {
		answer, err := talk(address, pause, a.request, forbidden)
		if err != nil {
			return v, err
		}
		v.smuggled = v.smuggled || strings.Contains(answer, secret)
		if fields := strings.Fields(answer); v.status == "" && len(fields) > 1 {
			v.status = fields[1]
		}
	}
	return v, nil
}

// talk sends the parts with pauses in between, and returns all that comes back until the connection ends or is silent.
func talk(address string, pause time.Duration, parts ...string) (string, error) {
	nc, err := net.Dial("tcp", address)
	if err != nil {
		return "", err
	}
	defer nc.Close()
	if pause == 0 {
		parts = []string{strings.Join(parts, "")}
	}
	for i, part := range parts {
		if i > 0 {
			time.Sleep(pause)
		}
		if _, err := io.WriteString(nc, part); err != nil {
			break // closed: the attack has failed
		}
	}
	var answer strings.Builder
	b := make([]byte, 4096)
	for {
		nc.SetReadDeadline(time.Now().Add(time.Second))
		n, err := nc.Read(b)
		answer.Write(b[:n])
		if err != nil {
			return answer.String(), nil
		}
	}
}
