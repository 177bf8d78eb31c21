package main

import (
	"bytes"
	standard "compress/flate"
	"io"
	"testing"
)

// TestEveryCoderCodes: what an encoder makes compress/flate inflates with the window
// that it is given, and what a decoder makes is the message. So no figure is of
// something that does not work.
func TestEveryCoderCodes(t *testing.T) {
	for _, task := range tasks() {
		for _, coder := range task.coders {
			for _, size := range sizes {
				plain := conversation(size)[:60]
				list := plain
				if task.input != nil {
					list = task.input(plain)
				}
				code := coder.open()
				var history []byte
				for i, src := range list {
					got := code(make([]byte, 0, maxMessage), src)
					if !task.decodes {
						if bytes.Equal(got, src) {
							continue // it is sent as it is
						}
						in := io.MultiReader(bytes.NewReader(got), bytes.NewReader([]byte(ending)))
						text, err := io.ReadAll(standard.NewReaderDict(in, history))
						if err != nil {
							t.Fatalf("%s: %s: message %d of %d bytes: %v", task.name, coder.name, i, size, err)
						}
						got = text
						if task.takeover {
							history = append(history, text...)
						}
					}
					if !bytes.Equal(got, plain[i]) {
						t.Fatalf("%s: %s: message %d of %d bytes is another one", task.name, coder.name, i, size)
					}
				}
			}
		}
	}
}
