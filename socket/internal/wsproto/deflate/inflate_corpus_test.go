package deflate_test

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// tail is what RFC 7692 section 7.2.1 has the sender take away.
const tail = "\x00\x00\xff\xff"

// inflateMix returns messages of about size bytes of JSON as realtime servers send
// it: a chat message, a batch of prices and a list of who is there, one after another.
func inflateMix(size, count int) [][]byte {
	rng := rand.New(rand.NewPCG(uint64(size), 1))
	words := strings.Fields("the a to of and you is that it in we can not this have for meet later today build release " +
		"works broken again please look at latency graph dashboard customer ticket deploy coffee lunch thanks great")
	text := func(n int) string {
		var b strings.Builder
		for b.Len() < n {
			b.WriteString(words[rng.IntN(len(words))])
			b.WriteByte(' ')
		}
		return b.String()
	}
	kinds := []func(i int) string{
		func(i int) string {
			return fmt.Sprintf(`{"id":%d,"user":"user-%d","text":"%s"},`, 100_000+i, rng.IntN(5000), text(20+rng.IntN(60)))
		},
		func(i int) string {
			symbols := []string{"BTC-USD", "ETH-USD", "SOL-EUR", "ADA-USD", "XRP-EUR"}
			return fmt.Sprintf(`{"symbol":"%s","price":%.2f,"volume":%.4f,"ts":%d},`, symbols[rng.IntN(len(symbols))],
				rng.Float64()*60_000, rng.Float64()*10, 1_700_000_000_000+int64(i)*137+rng.Int64N(100))
		},
		func(i int) string {
			states := []string{"online", "away", "busy"}
			return fmt.Sprintf(`{"id":"%08x","name":"member %d","state":"%s","since":%d},`, rng.Uint32(), rng.IntN(500),
				states[rng.IntN(len(states))], 1_700_000_000+rng.IntN(100_000))
		},
	}
	events := []string{"chat", "ticker", "presence"}
	var messages [][]byte
	for i := range count {
		var b strings.Builder
		fmt.Fprintf(&b, `{"event":"%s","data":[`, events[i%len(kinds)])
		for j := 0; b.Len() < size-2; j++ {
			b.WriteString(kinds[i%len(kinds)](i + j))
		}
		messages = append(messages, []byte(b.String()[:size-2]+"]}"))
	}
	return messages
}

// inflateCorpus returns messages of all kinds that a decoder must get right, by name.
func inflateCorpus() map[string][]byte {
	rng := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 66_000)
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	skewed := make([]byte, 30_000) // codes of up to 15 bits
	for i := range skewed {
		skewed[i] = byte(rng.ExpFloat64() * 9)
	}
	far := append(bytes.Clone(noise[:32<<10]), noise[:32<<10]...) // the farthest distance
	c := map[string][]byte{
		"one byte": {'x'}, "two bytes": []byte("xy"), "noise": noise, "little noise": noise[:100],
		"skewed": skewed, "far": far, "zeros": make([]byte, 70_000), "257 zeros": make([]byte, 257),
		"258 zeros": make([]byte, 258), "259 zeros": make([]byte, 259), "all bytes": noise[:0:0],
	}
	for i := range 256 {
		c["all bytes"] = append(c["all bytes"], byte(i))
	}
	for period := 1; period <= 20; period++ {
		c[fmt.Sprintf("period %d", period)] = bytes.Repeat(noise[:period], 700/period)
	}
	for _, size := range []int{20, 100, 500, 2 << 10, 16 << 10, 70_000} {
		for i, m := range inflateMix(size, 3) {
			c[fmt.Sprintf("json %d of %d bytes", i, size)] = m
		}
	}
	return c
}

// flateLevels are those of compress/flate.
var flateLevels = []int{-2, -1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9}

// flateSender makes payloads with compress/flate alone, one writer for each level.
type flateSender map[int]*flate.Writer

func (s flateSender) payload(level int, message []byte) []byte {
	var b bytes.Buffer
	if s[level] == nil {
		s[level], _ = flate.NewWriter(&b, level)
	}
	s[level].Reset(&b)
	return flushed(s[level], &b, message)
}

// payloadWithHistory compresses a message that follows history.
func payloadWithHistory(level int, message, history []byte) []byte {
	var b bytes.Buffer
	w, _ := flate.NewWriterDict(&b, level, history)
	return flushed(w, &b, message)
}

func flushed(w *flate.Writer, b *bytes.Buffer, message []byte) []byte {
	w.Write(message)
	w.Flush()
	return bytes.TrimSuffix(b.Bytes(), []byte(tail))
}

// flateInflate inflates with compress/flate alone. It feeds the tail and a final block,
// as its users do, so it takes some payloads that are cut off.
func flateInflate(payload, history []byte) ([]byte, error) {
	in := io.MultiReader(bytes.NewReader(payload), strings.NewReader(tail+"\x01\x00\x00\xff\xff"))
	return io.ReadAll(flate.NewReaderDict(in, history))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
