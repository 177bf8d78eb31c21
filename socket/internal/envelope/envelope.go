package envelope

import "unicode/utf8"

const (
	// MaxDepth is how deep arrays and objects may be nested in a text, the
	// envelope included.
	MaxDepth = 64

	// MaxEvent is the longest event name, in bytes, after unescaping.
	MaxEvent = 128
)

// Message is a parsed text. Its slices alias the text, except that an event with
// escapes in it has memory of its own.
type Message struct {
	// Name is the unescaped name of the event, nil when the text names none.
	Name []byte

	// Data is the JSON of the member "data", without white space around it, nil
	// when there is none. In a bare message it is the whole text, in a reply that
	// has failed that of the member "error".
	Data []byte

	// Number is that of a request, or of the request that a reply is to.
	Number uint64

	// Bare says that the text names no event and is no reply.
	Bare bool

	// Request says that the sender of the event waits for a reply.
	Request bool

	// Reply says that the text is a reply, and Failed that this is an error.
	Reply, Failed bool

	// Extra says that the text is an object with members besides "event" and
	// "data".
	Extra bool
}

// Event returns the name of the event as a string of its own, "" when the text
// names none. A map is looked up with string(m.Name), which does not allocate.
func (m Message) Event() string { return string(m.Name) }

// Parse checks that text is one JSON value and finds the parts of the envelope.
// Its errors are [*SyntaxError] and [ErrDepth], whichever comes first in the text,
// and for valid JSON [ErrDuplicate], [ErrEvent] and [ErrNumber].
func Parse(text []byte) (Message, error) {
	start := skipSpace(text, 0)
	if at(text, start) != '{' {
		end, f := skipValue(text, start, 0)
		if f != valid {
			return Message{}, f.err(end)
		}
		if rest := skipSpace(text, end); rest != len(text) {
			return Message{}, syntax.err(rest)
		}
		return Message{Data: text[start:end:end], Bare: true}, nil
	}

	var m Message
	var event []byte
	eventTwice, dataTwice := false, false
	var more further
	ms := members{text: text, i: start}
	for ms.next() {
		switch {
		case named(ms.key, "event"):
			eventTwice = eventTwice || event != nil
			event = ms.value
		case named(ms.key, "data"):
			dataTwice = dataTwice || m.Data != nil
			m.Data = ms.value
		default:
			m.Extra = true
			more.add(ms.key, ms.value)
		}
	}
	if ms.fault != valid {
		return Message{}, ms.fault.err(ms.i)
	}
	if event == nil {
		if reply, ok, err := more.reply(m.Data, dataTwice); ok {
			return reply, err
		}
		// Nobody's envelope: what it means, and twice, is up to who decodes it.
		return Message{Data: text[start:ms.end:ms.end], Bare: true, Extra: m.Extra}, nil
	}
	if eventTwice || dataTwice {
		return Message{}, ErrDuplicate
	}
	var ok bool
	if m.Name, ok = unquoteEvent(event); !ok {
		return Message{}, ErrEvent
	}
	if err := more.request(&m); err != nil {
		return Message{}, err
	}
	return m, nil
}

// CheckEvent returns [ErrEvent] if name cannot be an event: it has 1 to
// [MaxEvent] bytes and is valid UTF-8.
func CheckEvent(name string) error {
	if len(name) == 0 || len(name) > MaxEvent || !utf8.ValidString(name) {
		return ErrEvent
	}
	return nil
}

// unquoteEvent checks the value of the member "event".
func unquoteEvent(value []byte) ([]byte, bool) {
	if value[0] != '"' {
		return nil, false
	}
	raw := value[1 : len(value)-1]
	name := raw
	if escaped(raw) {
		var ok bool
		if name, ok = unescape(make([]byte, 0, min(len(raw), MaxEvent)), raw, MaxEvent); !ok {
			return nil, false
		}
	}
	return name, len(name) > 0 && len(name) <= MaxEvent && utf8.Valid(name)
}
