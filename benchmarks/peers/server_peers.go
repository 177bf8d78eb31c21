package main

import (
	"context"
	"net"
	"net/http"
	"sync"

	coder "github.com/coder/websocket"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	gorilla "github.com/gorilla/websocket"
	"github.com/lesismal/nbio/logging"
	"github.com/lesismal/nbio/nbhttp"
	nbio "github.com/lesismal/nbio/nbhttp/websocket"
	"github.com/lxzan/gws"
)

// gorillaServer: one goroutine for each connection, a mutex around its writes.
type gorillaServer struct{}

type gorillaConn struct {
	*gorilla.Conn
	mu sync.Mutex
}

func (gorillaServer) serve(l net.Listener, mode string) error {
	u := gorilla.Upgrader{ReadBufferSize: 4096, WriteBufferPool: &sync.Pool{}}
	var all members[*gorillaConn]
	return httpServe(l, func(w http.ResponseWriter, r *http.Request) {
		conn, err := u.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		c := &gorillaConn{Conn: conn}
		all.add(c)
		defer all.remove(c)
		for {
			typ, p, err := c.ReadMessage()
			if err != nil {
				return
			}
			if mode == "echo" {
				c.WriteMessage(typ, p)
				continue
			}
			m, err := gorilla.NewPreparedMessage(typ, p)
			if err != nil {
				return
			}
			all.each(func(c *gorillaConn) {
				c.mu.Lock()
				defer c.mu.Unlock()
				c.WritePreparedMessage(m)
			})
		}
	})
}

// coderServer as its documentation has it.
type coderServer struct{}

func (coderServer) serve(l net.Listener, mode string) error {
	var all members[*coder.Conn]
	ctx := context.Background()
	return httpServe(l, func(w http.ResponseWriter, r *http.Request) {
		c, err := coder.Accept(w, r, nil)
		if err != nil {
			return
		}
		c.SetReadLimit(1 << 20)
		all.add(c)
		defer all.remove(c)
		for {
			typ, p, err := c.Read(ctx)
			if err != nil {
				return
			}
			if mode == "echo" {
				c.Write(ctx, typ, p)
				continue
			}
			all.each(func(c *coder.Conn) { c.Write(ctx, typ, p) })
		}
	})
}

// gobwasServer: a goroutine for each connection, frames compiled once for a
// broadcast.
type gobwasServer struct{}

type gobwasConn struct {
	net.Conn
	mu sync.Mutex
}

func (gobwasServer) serve(l net.Listener, mode string) error {
	var all members[*gobwasConn]
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			if _, err := ws.Upgrade(conn); err != nil {
				conn.Close()
				return
			}
			c := &gobwasConn{Conn: conn}
			all.add(c)
			defer all.remove(c)
			for {
				p, op, err := wsutil.ReadClientData(c)
				if err != nil {
					return
				}
				if mode == "echo" {
					wsutil.WriteServerMessage(c, op, p)
					continue
				}
				frame := ws.MustCompileFrame(ws.NewFrame(op, true, p))
				all.each(func(c *gobwasConn) {
					c.mu.Lock()
					defer c.mu.Unlock()
					c.Write(frame)
				})
			}
		}()
	}
}

// gwsServer with its own Broadcaster.
type gwsServer struct{}

type gwsHandler struct {
	gws.BuiltinEventHandler
	mode string
	all  members[*gws.Conn]
}

func (h *gwsHandler) OnMessage(c *gws.Conn, m *gws.Message) {
	defer m.Close()
	if h.mode == "echo" {
		c.WriteMessage(m.Opcode, m.Bytes())
		return
	}
	b := gws.NewBroadcaster(m.Opcode, append([]byte(nil), m.Bytes()...))
	h.all.each(func(c *gws.Conn) { b.Broadcast(c) })
	b.Close()
}

func (gwsServer) serve(l net.Listener, mode string) error {
	h := &gwsHandler{mode: mode}
	u := gws.NewUpgrader(h, &gws.ServerOption{CheckUtf8Enabled: true})
	return httpServe(l, func(w http.ResponseWriter, r *http.Request) {
		c, err := u.Upgrade(w, r)
		if err != nil {
			return
		}
		h.all.add(c)
		go func() {
			defer h.all.remove(c)
			c.ReadLoop()
		}()
	})
}

// nbioServer with its own poller.
type nbioServer struct{}

func (nbioServer) serve(l net.Listener, mode string) error {
	logging.SetLevel(logging.LevelNone) // standard output is for our answers
	addr := l.Addr().String()
	l.Close() // the engine listens itself
	var all members[*nbio.Conn]
	u := nbio.NewUpgrader()
	u.OnOpen(func(c *nbio.Conn) { all.add(c) })
	u.OnClose(func(c *nbio.Conn, _ error) { all.remove(c) })
	u.OnMessage(func(c *nbio.Conn, typ nbio.MessageType, p []byte) {
		if mode == "echo" {
			c.WriteMessage(typ, p)
			return
		}
		all.each(func(c *nbio.Conn) { c.WriteMessage(typ, p) })
	})
	e := nbhttp.NewEngine(nbhttp.Config{
		Network: "tcp", Addrs: []string{addr}, ReadBufferSize: 64 << 10,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { u.Upgrade(w, r, nil) }),
	})
	if err := e.Start(); err != nil {
		return err
	}
	select {}
}
