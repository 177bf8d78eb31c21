package envelope_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/internal/envelope"
)

var benchTexts = []struct{ name, text string }{
	{"small", `{"event":"chat","data":{"user":"ann","text":"hello, world"}}`},
	{"long string", `{"event":"chat","data":"` + strings.Repeat("lorem ipsum dolor sit amet ", 150) + `"}`},
	{"64 KiB string", `{"event":"chat","data":"` + strings.Repeat("lorem ipsum dolor sit amet 12345", 64<<10/32) + `"}`},
	{"numbers", `{"event":"chat","data":[` + strings.Repeat("123.456,-7,", 300) + `0]}`},
}

func BenchmarkParse(b *testing.B) {
	for _, bt := range benchTexts {
		text := []byte(bt.text)
		b.Run("text="+bt.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if _, err := envelope.Parse(text); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("text="+bt.name+"/encoding=json", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				var m struct {
					Event string
					Data  json.RawMessage
				}
				if err := json.Unmarshal(text, &m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, bd := range []struct {
		name string
		data any
	}{
		{"string", "hello, world"},
		{"long string", strings.Repeat("lorem ipsum dolor sit amet ", 150)},
		{"long German string", strings.Repeat("Grüße aus der Straße ", 200)},
		{"64 KiB string", strings.Repeat("lorem ipsum dolor sit amet 12345", 64<<10/32)},
		{"int", 1 << 30},
		{"raw", json.RawMessage(benchTexts[0].text)},
		{"map", map[string]any{"user": "ann", "text": "hello, world"}},
		{"struct", struct{ User, Text string }{"ann", "hello, world"}},
	} {
		b.Run("data="+bd.name, func(b *testing.B) {
			buf := make([]byte, 0, 128<<10)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := envelope.Append(buf, "chat", bd.data); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("data="+bd.name+"/encoding=json", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := reference("chat", bd.data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, text := range []string{`"hello, world"`, `12.5`, `{"user":"ann","text":"hello, world"}`} {
		raw := []byte(text)
		b.Run("data="+text[:4], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := envelope.Decode(raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
