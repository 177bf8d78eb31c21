package poll

import "strconv"

// Message is one whole message of the application. The zero Message is an empty
// text message.
type Message struct {
	// Binary tells bytes from text. Text is valid UTF-8.
	Binary bool
	// Data is the payload. It is shared, not copied: nobody writes to it.
	Data []byte
}

// String returns the payload quoted, behind the word binary if it is not text.
func (m Message) String() string {
	if m.Binary {
		return "binary " + strconv.Quote(string(m.Data))
	}
	return strconv.Quote(string(m.Data))
}
