package envelope

import (
	"errors"
	"strconv"
)

var (
	// ErrDepth reports arrays and objects nested deeper than [MaxDepth].
	ErrDepth = errors.New("JSON nested deeper than " + strconv.Itoa(MaxDepth))

	// ErrDuplicate reports a member that is there more than once.
	ErrDuplicate = errors.New("duplicate member in the envelope")

	// ErrEvent reports an event that is not a string of 1 to [MaxEvent] bytes of
	// UTF-8.
	ErrEvent = errors.New("event is not a string of 1 to " + strconv.Itoa(MaxEvent) + " bytes of UTF-8")

	// ErrNumber reports a request whose number is none.
	ErrNumber = errors.New("the number of a request is not a whole number from 0 to 2^53-1")

	// ErrUTF8 reports data whose encoding is not valid UTF-8, which only a
	// json.RawMessage or a MarshalJSON method can bring about.
	ErrUTF8 = errors.New("encoded data is not valid UTF-8")
)

// SyntaxError reports a text that is not one JSON value.
type SyntaxError struct {
	Offset int // of the first byte that cannot stand there; the length if it ends too early
}

// Error returns a fixed text and the offset.
func (e *SyntaxError) Error() string {
	return "invalid JSON at byte " + strconv.Itoa(e.Offset)
}

// fault is what is wrong with a text.
type fault uint8

const (
	valid fault = iota
	syntax
	tooDeep
)

func (f fault) err(offset int) error {
	if f == tooDeep {
		return ErrDepth
	}
	return &SyntaxError{Offset: offset}
}
