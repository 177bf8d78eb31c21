package socket_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
)

// A request that announces a body and never sends it is answered, and not held.
func TestThePageDoesNotWaitForABody(t *testing.T) {
	for _, request := range []string{"GET", "HEAD", "POST", "PUT"} {
		synctest.Test(t, func(t *testing.T) {
			l := memnet.Listen("server:80")
			web := &http.Server{Handler: socket.NewServer(socket.WithLogger(nil))}
			go web.Serve(l)
			defer web.Close()
			nc, err := l.Dial(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			if _, err := io.WriteString(nc, request+" / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345"); err != nil {
				t.Fatal(err)
			}
			r, err := http.ReadResponse(bufio.NewReader(nc), &http.Request{Method: request})
			if err != nil || !r.Close {
				t.Errorf("%s: answered %v, %v, want an answer that closes the connection", request, r, err)
			}
		})
	}
}
