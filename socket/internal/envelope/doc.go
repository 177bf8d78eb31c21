// Package envelope is the JSON object that carries an event:
//
//	{"event":"chat","data":{"user":"ann","text":"hello"}}
//
// [Parse] finds the parts of a received text without decoding them, [Append]
// writes one, and [Decode] turns the data into a Go value once somebody wants
// it. A text that names no event, be it an object or any other JSON value, is a
// bare message: its data is the whole text.
//
//	m, err := envelope.Parse(text)
//	if err != nil {
//		return err // fixed words and a position: fit for the peer and for the log
//	}
//	handler := handlers[string(m.Name)] // does not allocate
//
// An event with a member "req" is a request, and an object that names no event but
// has a number as its member "re" is the reply to one.
//
// # What is refused
//
// Parse takes exactly what encoding/json.Valid takes, apart from this: arrays
// and objects nested deeper than [MaxDepth]; the member "event" or, beside an
// event, "data" or "req" more than once; an event that is not a string of 1 to
// [MaxEvent] bytes of UTF-8; beside an event, a "req" that is not a whole number up
// to [MaxNumber]; in a reply "re", "data" or "error" more than once. Names are
// compared after unescaping, and case counts, which encoding/json does not do:
// whoever looks at the text before us and we see the same event. Other members are
// allowed.
//
// Apart from the event, UTF-8 is not checked, since transports have done that;
// what is broken nevertheless decodes to U+FFFD, as in encoding/json.
//
// # Memory
//
// Nothing here recurses over the peer's nesting except encoding/json, after the
// depth has been checked. Nothing is retained, and what Parse returns aliases
// its input. Nothing has state; everything may be called concurrently.
package envelope
