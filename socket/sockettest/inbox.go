package sockettest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// item is something that has come.
type item struct {
	kind   itemKind
	event  string
	raw    json.RawMessage // data of an event, nil for none and for binary
	binary []byte          // not nil: data of a binary message
	err    error           // of a disconnect or an error
}

type itemKind uint8

const (
	itemEvent itemKind = iota
	itemConnect
	itemDisconnect
	itemError
)

// String returns the item as the messages of failing tests show it.
func (i item) String() string {
	switch {
	case i.kind == itemConnect:
		return "(connected)"
	case i.kind == itemDisconnect:
		return fmt.Sprintf("(disconnected: %v)", i.err)
	case i.kind == itemError:
		return fmt.Sprintf("(error: %v)", i.err)
	case i.binary != nil:
		return fmt.Sprintf("%s %d bytes: %x", i.event, len(i.binary), i.binary[:min(len(i.binary), 32)])
	}
	return i.event + " " + clip(i.json())
}

// json returns the data of an event; missing data is null.
func (i item) json() json.RawMessage {
	if i.raw == nil {
		return json.RawMessage("null")
	}
	return i.raw
}

// maxShown is how much of one message is shown, in bytes.
const maxShown = 400

// clip returns what is shown of a message.
func clip(p []byte) string {
	if len(p) <= maxShown {
		return string(p)
	}
	return fmt.Sprintf("%s… (%d bytes)", strings.ToValidUTF8(string(p[:maxShown]), ""), len(p))
}

// inbox is what has come and was not expected yet, in its order.
type inbox struct {
	mu      sync.Mutex // guards the fields below
	items   []item
	changed chan struct{} // closed with the next item
}

func newInbox() *inbox { return &inbox{changed: make(chan struct{})} }

func (in *inbox) put(i item) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.items = append(in.items, i)
	close(in.changed)
	in.changed = make(chan struct{})
}

// take removes the oldest item. Where there is none, changed is closed with the next.
func (in *inbox) take() (i item, ok bool, changed <-chan struct{}) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.items) == 0 {
		return item{}, false, in.changed
	}
	i = in.items[0]
	in.items = in.items[1:]
	return i, true, nil
}

// all returns what is there, without removing it.
func (in *inbox) all() []item {
	in.mu.Lock()
	defer in.mu.Unlock()
	return slices.Clone(in.items)
}

// await takes items until there is one that is wanted. It returns those that it has
// passed over, too, and reports false when the limit has passed.
func (in *inbox) await(limit time.Duration, wanted func(item) bool) (found item, passed []item, ok bool) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	late := false
	for {
		i, more, changed := in.take()
		switch {
		case more && wanted(i):
			return i, passed, true
		case more:
			passed = append(passed, i)
			continue
		case late:
			return item{}, passed, false
		}
		select {
		case <-changed:
		case <-timer.C:
			late = true // what has come in the same moment counts
		}
	}
}
