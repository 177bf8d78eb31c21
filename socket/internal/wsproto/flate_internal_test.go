package wsproto

import (
	"bytes"
	"compress/flate"
	"testing"
)

// TestFlateReaderIsExact: this version of compress/flate reads the length of a
// stored block in the way that tells where a message ends.
func TestFlateReaderIsExact(t *testing.T) {
	if !NewFlateReader().exact {
		t.Error("cut off messages are no longer recognised: see FlateReader.exact")
	}
}

// TestFlateReaderInexact: should a later compress/flate read in another way,
// whole messages still arrive.
func TestFlateReaderInexact(t *testing.T) {
	r := NewFlateReader()
	r.exact = false
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, 6)
	for _, text := range []string{"", "a", "hello hello hello hello"} {
		b.Reset()
		w.Reset(&b)
		w.Write([]byte(text))
		w.Flush()
		payload := bytes.TrimSuffix(b.Bytes(), []byte(deflateTail))
		if got, err := r.inflate(nil, payload, 100, nil); err != nil || string(got) != text {
			t.Errorf("inflate(%x) = %q, %v, want %q", payload, got, err, text)
		}
	}
	for _, payload := range []string{"\xf3\x48\xcd\xc9\xc9\x07\x00", "\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "\x01"} {
		if _, err := r.inflate(nil, []byte(payload), 100, nil); err != nil {
			t.Errorf("inflate(%x): %v", payload, err)
		}
	}
	if got, err := r.inflate(nil, []byte("\xf2\x48\xcd"), 100, nil); err == nil {
		t.Errorf("a message that is no valid stream with the tail gives %q", got)
	}
}
