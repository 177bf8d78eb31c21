package poll

// Message is one whole message of the application. The zero Message is an empty
// text message.
type Message struct {
	// Binary tells bytes from text. Text is valid UTF-8.
	Binary bool
	// Data is the payload. It is shared, not copied: nobody writes to it.
	Data []byte
}
