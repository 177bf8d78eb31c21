package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/lxzan/gws"
)

// TestGwsWayIsWhatGwsDoes sends a conversation over a connection of gws with its
// default window, and compares the payloads of its frames with those of gwsWay.
func TestGwsWayIsWhatGwsDoes(t *testing.T) {
	upgrader := gws.NewUpgrader(&gws.BuiltinEventHandler{}, &gws.ServerOption{
		PermessageDeflate: gws.PermessageDeflate{Enabled: true, ServerContextTakeover: true, ClientContextTakeover: true},
	})
	messages := conversation(500)[:90]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r)
		if err != nil {
			t.Error(err)
			return
		}
		for _, message := range messages {
			if err := conn.WriteMessage(gws.OpcodeText, message); err != nil {
				t.Error(err)
			}
		}
		conn.NetConn().Close()
	}))
	defer server.Close()

	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"+
		"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n")
	in := bufio.NewReader(conn)
	response, err := http.ReadResponse(in, nil)
	if err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(response, err)
	}
	code := gwsWay("").open()
	for i, message := range messages {
		got, err := readFrame(in)
		if err != nil {
			t.Fatal(err)
		}
		if want := code(nil, message); !bytes.Equal(got, want) {
			t.Fatalf("message %d: gws sends %d bytes, gwsWay makes %d, or not the same", i, len(got), len(want))
		}
	}
}

// readFrame returns the payload of a compressed frame of a server.
func readFrame(in *bufio.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(in, head[:2]); err != nil {
		return nil, err
	}
	n := int(head[1])
	if head[0] != 0xC1 || n > 126 {
		return nil, io.ErrNoProgress // not a frame that this test can read
	}
	if n == 126 {
		if _, err := io.ReadFull(in, head[2:]); err != nil {
			return nil, err
		}
		n = int(binary.BigEndian.Uint16(head[2:]))
	}
	payload := make([]byte, n)
	_, err := io.ReadFull(in, payload)
	return payload, err
}
