package socket_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
)

// A message that came before the end of the connection reaches its handler, also
// when an earlier handler is still at work at the end.
func TestMessagesBeforeTheEndAreHandled(t *testing.T) {
	const handshake = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	const two = "\x81\x81\x00\x00\x00\x001\x81\x81\x00\x00\x00\x002"
	tests := []struct {
		name string
		end  string // bytes behind the messages
		want []any
	}{
		{"the client closes", "\x88\x80\x00\x00\x00\x00", []any{1.0, 2.0}},
		{"the client breaks the protocol", "\x83\x80\x00\x00\x00\x00", []any{1.0, 2.0}},
		{"the connection is lost", "", []any{1.0, 2.0}},
		{"the server closes", "", []any{1.0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := socket.NewServer(socket.WithLogger(nil))
				var got []any
				ended := make(chan struct{})
				server.HandleFunc(socket.EventConnect, func(socket.Socket, any) { time.Sleep(time.Second) })
				server.HandleFunc(socket.EventMessage, func(s socket.Socket, v any) {
					got = append(got, v)
					if tt.name == "the server closes" {
						s.Close()
					}
				})
				server.HandleFunc(socket.EventDisconnect, func(socket.Socket, any) { close(ended) })
				l := memnet.Listen("server:80")
				web := &http.Server{Handler: server}
				go web.Serve(l)
				defer web.Close()
				nc, err := l.Dial(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.WriteString(nc, handshake+two+tt.end); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				nc.Close()
				<-ended
				if !slices.Equal(got, tt.want) {
					t.Errorf("the handler got %v, want %v", got, tt.want)
				}
			})
		})
	}
}

// The same over long polling, where the server has acknowledged the message.
func TestPolledMessagesBeforeTheEndAreHandled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := socket.NewServer(socket.WithLogger(nil))
		var got []any
		ended := make(chan struct{})
		server.HandleFunc(socket.EventConnect, func(socket.Socket, any) { time.Sleep(time.Second) })
		server.HandleFunc(socket.EventMessage, func(_ socket.Socket, v any) { got = append(got, v) })
		server.HandleFunc(socket.EventDisconnect, func(socket.Socket, any) { close(ended) })
		request := func(method, query, token, body string) *httptest.ResponseRecorder {
			r := httptest.NewRequest(method, "/?transport=polling"+query, strings.NewReader(body))
			if token != "" {
				r.Header.Set("Socket-Token", token)
			}
			w := httptest.NewRecorder()
			server.ServeHTTP(w, r)
			return w
		}
		opened := request("POST", "", "", "")
		var session struct{ Token string }
		if err := json.Unmarshal(opened.Body.Bytes(), &session); err != nil {
			t.Fatal(err)
		}
		token := session.Token
		if w := request("POST", "&seq=1", token, "1\x1e2"); w.Code != 200 {
			t.Fatalf("the messages were answered %d %s", w.Code, w.Body)
		}
		if w := request("DELETE", "", token, ""); w.Code != 204 {
			t.Fatalf("the end was answered %d %s", w.Code, w.Body)
		}
		<-ended
		if !slices.Equal(got, []any{1.0, 2.0}) {
			t.Errorf("the handler got %v, want both messages", got)
		}
	})
}
