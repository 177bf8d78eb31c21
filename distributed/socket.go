package distributed

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/kleeedolinux/socket.go/socket"
)

// This file is all that the package knows of package socket.

// Bond is what a [Node] has of its socket server.
type Bond struct {
	// SocketServer is the server of [WithSocketServer]; nil without one.
	SocketServer *socket.Server
}

// ErrNoSocketServer: the node was made without [WithSocketServer].
var ErrNoSocketServer = errors.New("distributed: the node has no socket server (WithSocketServer)")

// WithSocketServer bonds the node to a socket server: processes can subscribe to its rooms
// ([Node.Subscribe]), stand for its sockets ([Node.Socket]), and be sent what its clients
// send ([Forward]). The server keeps the node for as long as it is there itself. Neither
// ends the other: shut the server down first, so that processes hear of the last messages.
// Default and nil: none.
func WithSocketServer(server *socket.Server) Option {
	return func(o *options) { o.bond.SocketServer = server }
}

// bind bonds the node to its server, if it has one.
func (n *Node) bind() {
	server := n.SocketServer
	if server == nil {
		return
	}
	n.standIns.m = make(map[string]Ref[SocketMessage])
	server.HandleFunc(socket.EventDisconnect, func(s socket.Socket, reason interface{}) {
		if !n.standIns.has(s.ID()) {
			return
		}
		// The handlers of the socket run behind those of the server, which may have something
		// to send to processes still.
		s.On(socket.EventDisconnect, func(interface{}) {
			err, _ := reason.(error)
			n.standIns.end(s.ID(), &DisconnectedError{SocketID: s.ID(), Err: err})
		})
	})
}

// Subscribe has a process told of all that happens in a room of the socket server from now
// on, by a [RoomEvent] for each: sockets that join and leave, and messages to the room, in
// the order in which they take effect, see [socket.Server.WatchRoom]. Events count as
// messages that wait: what becomes of one for which there is no room is what the mailbox is
// for, see [WithMailbox], and the server waits for no process. The subscription ends with
// [Node.Unsubscribe], or with the process, before anybody is told of its end. A second one
// to the same room does nothing.
//
// The error is [ErrProcessNotFound], [ErrNoConnection], [ErrNoSocketServer], or
// [ErrMessageType] if the process has no way to take a RoomEvent.
func (n *Node) Subscribe(id ProcessID, room string) error {
	p, err := n.find(id)
	if err != nil {
		return err
	}
	_, err = p.SubscribeRoom(room)
	return err
}

// SubscribeRoom is [Node.Subscribe] for the process, and returns the sockets that are in
// the room as the subscription begins: with the events it is known at every place who is a
// member. A process that was subscribed already gets none.
func (p *Process) SubscribeRoom(room string) (members []socket.Socket, err error) {
	server := p.node.SocketServer
	switch {
	case server == nil:
		return nil, ErrNoSocketServer
	case !p.body.takesSignal(RoomEvent{}):
		return nil, ErrMessageType
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state >= ending {
		return nil, ErrProcessNotFound
	}
	x := p.extra()
	if _, ok := x.atEnd[atRoom(room)]; ok {
		return nil, nil
	}
	if x.atEnd == nil {
		x.atEnd = make(map[any]func())
	}
	s := &subscription{p: p}
	members, stop := server.WatchRoom(room, s.tell)
	x.atEnd[atRoom(room)] = func() {
		s.over.Store(true)
		stop()
	}
	return members, nil
}

// subscription is that of a process to a room.
type subscription struct {
	p      *Process
	over   atomic.Bool
	missed int // events that had no room in the mailbox; tell's own
}

// tell is called for each event, one after the other.
func (s *subscription) tell(e socket.RoomEvent) {
	if s.over.Load() {
		return
	}
	told := RoomEvent{
		Kind: RoomEventKind(e.Kind), Room: e.Room, Reason: e.Reason,
		Event: e.Event, Data: e.Data, Binary: e.Binary, Missed: e.Missed + s.missed,
	}
	if e.Socket != nil {
		told.SocketID, told.User = e.Socket.ID(), e.Socket.Identity()
	}
	s.missed = 0
	if s.p.takeRoom(told) != ErrMailboxFull {
		return
	}
	s.p.node.dropped.Add(1)
	if s.missed = told.Missed; told.Kind != RoomMissed {
		s.missed++
	}
}

// SocketMessage is what a process takes that stands for a socket: an event for its client.
type SocketMessage struct {
	Event socket.Event
	Data  interface{} // what [encoding/json] can encode, see [socket.Socket]
}

// DisconnectedError is the reason of a process that has stood for a socket whose connection
// has ended. That is in good order: it matches [ErrShutdown], and what the disconnect
// handlers are told.
type DisconnectedError struct {
	SocketID string
	Err      error // why it has ended
}

// Error names the socket.
func (e *DisconnectedError) Error() string {
	return fmt.Sprintf("socket %s disconnected: %v", e.SocketID, e.Err)
}

// Unwrap returns ErrShutdown and Err.
func (e *DisconnectedError) Unwrap() []error { return []error{ErrShutdown, e.Err} }

// SocketRef is a socket as a process, see [Node.Socket].
type SocketRef struct {
	id  ProcessID
	ref Ref[SocketMessage]
}

// ID returns the address, "socket:" and the id of the socket. It is good for [Node.Send],
// links, monitors and groups, also when the socket is gone: then there is no such process.
func (r SocketRef) ID() ProcessID { return r.id }

// Ref returns the process, as it was when the SocketRef was made.
func (r SocketRef) Ref() Ref[SocketMessage] { return r.ref }

// Send sends an event to the client: it does not wait, not even for a client that does not
// keep up, for which messages wait in the mailbox. The error is [ErrMailboxFull] or
// [ErrProcessNotFound]. Data that cannot be encoded is logged.
func (r SocketRef) Send(event socket.Event, data interface{}) error {
	return r.ref.Send(SocketMessage{event, data})
}

// SendContext is [SocketRef.Send] that waits for room in the mailbox, until ctx ends.
func (r SocketRef) SendContext(ctx context.Context, event socket.Event, data interface{}) error {
	return r.ref.SendContext(ctx, SocketMessage{event, data})
}

// Socket returns a socket of the server as a process, which is made when somebody asks for
// it first. It sends its messages to the client, and ends with the socket, behind all
// messages that the socket's handlers have sent: a process that monitors it is told a
// [Down] with a *[DisconnectedError]. For a session that is when it is over, not when a
// connection is lost.
//
// It works in the other direction too: a process that ends with a reason that is not in
// good order, because it was told to exit or is linked to one that has ended so, disconnects
// its client: as a [socket.DisconnectReason] says, if the reason is or wraps one. One that
// is killed, or ends with [ErrNormal] or [ErrShutdown], leaves the socket alone.
//
// The error is [ErrProcessNotFound] if no such socket is connected, [ErrNoSocketServer],
// [ErrNodeStopped], or [ErrNameTaken]. The SocketRef can be monitored and linked to all the
// same: nobody is there then.
func (n *Node) Socket(id string) (SocketRef, error) {
	name := ProcessID("socket:" + id)
	if n.SocketServer == nil {
		return SocketRef{id: name}, ErrNoSocketServer
	}
	ref, err := n.standIns.get(n, name, id)
	return SocketRef{name, ref}, err
}

// standIns are the processes that stand for sockets. Its lock comes before those of
// processes and sockets.
type standIns struct {
	mu sync.Mutex                    // guards m
	m  map[string]Ref[SocketMessage] // by the id of the socket
}

// get returns the process that stands for a socket.
func (t *standIns) get(n *Node, name ProcessID, id string) (Ref[SocketMessage], error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if ref := t.m[id]; ref.a != nil {
		if _, ended := ref.a.fate(); !ended {
			return ref, nil
		}
	}
	s, ok := n.SocketServer.GetSocket(id)
	if !ok {
		return Ref[SocketMessage]{}, ErrProcessNotFound
	}
	// It was connected when the lock was held, so the disconnect handler comes later.
	ref, err := SpawnHandler(n, standIn{s}, WithName(name), WithErrorsLogged())
	if err != nil {
		return Ref[SocketMessage]{}, err
	}
	t.m[id] = ref
	return ref, nil
}

// has reports whether there is or was a process for a socket.
func (t *standIns) has(id string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.m[id]
	return ok
}

// end ends the process of a socket that is gone.
func (t *standIns) end(id string, reason error) {
	t.mu.Lock()
	ref := t.m[id]
	delete(t.m, id)
	t.mu.Unlock()
	ref.a.told(nil, PID{}, reason, byRequest)
}

// standIn is the handler of a process that stands for a socket.
type standIn struct{ s socket.Socket }

func (h standIn) Handle(_ *Process, m SocketMessage) error {
	err := h.s.Send(m.Event, m.Data)
	var gone *socket.ConnectionError
	if errors.As(err, &gone) {
		return nil // the end of the socket is told by itself
	}
	return err
}

func (h standIn) Terminate(_ *Process, reason error) {
	if ordered(reason) {
		return
	}
	r := socket.DisconnectReason{Reason: "the server has ended the connection", Retry: socket.RetryBackoff}
	errors.As(reason, &r)
	h.s.Disconnect(r)
}

// Forward has what clients send under an event sent to processes, as a handler of the
// node's socket server: see [socket.Handle] for D. route says for each message which process
// gets what; none for the empty address. It is looked up each time, so a name is that of the
// process that has it at the moment.
//
// When the mailbox of the process is full the handler waits until it has room, or the
// process ends; and while it waits, its socket is not read beyond what is on its way. So a
// client that sends faster than the process handles is slowed down to that, and nobody
// else is. It waits also for a client that has left meanwhile: all that has come is
// handled, before the socket is over.
//
// failed is called if a message could not be sent: [ErrProcessNotFound], [ErrNoConnection],
// [ErrMessageType], or [ErrMailboxFull] if the process ends for that. Nil: it is logged. A
// Forward cannot be taken back. It panics if the node has no server, or route is nil.
func Forward[D, M any](n *Node, event socket.Event, route func(s socket.Socket, data D) (to ProcessID, m M),
	failed func(s socket.Socket, data D, err error)) {
	switch {
	case n.SocketServer == nil:
		panic("distributed: Forward: " + ErrNoSocketServer.Error())
	case route == nil:
		panic("distributed: Forward: nil route")
	}
	socket.Handle(n.SocketServer, event, func(s socket.Socket, data D) {
		to, m := route(s, data)
		if to == "" {
			return
		}
		err := sendAs(n, to, m)
		switch {
		case err == nil:
		case failed != nil:
			failed(s, data, err)
		default:
			n.log.Warn("distributed: Forward", "node", n.Name(), "conn", s.ID(), "event", event, "process", to, "err", err)
		}
	})
}

// sendAs is SendContext without an end, and without a conversion where the process takes M.
func sendAs[M any](n *Node, to ProcessID, m M) error {
	p, err := n.find(to)
	if err != nil {
		return err
	}
	if r, err := RefOf[M](p); err == nil {
		return r.SendContext(context.Background(), m)
	}
	return p.body.pushAny(context.Background(), m)
}
