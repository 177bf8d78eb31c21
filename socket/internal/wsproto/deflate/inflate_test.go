package deflate_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto/deflate"
)

func TestRFC7692_7_2_3_PayloadsOfTheRFC(t *testing.T) {
	tests := []struct {
		name    string
		payload string
		want    string
	}{
		{"7.2.3.1 one block", "\xf2\x48\xcd\xc9\xc9\x07\x00", "Hello"},
		{"7.2.3.3 block with no compression", "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", "Hello"},
		{"7.2.3.4 BFINAL set", "\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "Hello"},
		{"7.2.3.4 BFINAL set, nothing behind it", "\xf3\x48\xcd\xc9\xc9\x07\x00", "Hello"},
		{"7.2.3.5 two blocks", "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", "Hello"},
		{"7.2.3.6 empty message", "\x00", ""},
		{"empty message in a fixed block", "\x02\x00", ""},
		{"empty message in a final fixed block", "\x03\x00", ""},
		{"empty message in a final fixed block and an empty one", "\x03\x00\x00", ""},
		{"empty message in a final stored block", "\x01", ""},
		{"empty message without a byte", "", ""},
		{"empty stored blocks", strings.Repeat("\x00\x00\x00\xff\xff", 300) + "\x00", ""},
		{"empty fixed and stored blocks in turn", strings.Repeat("\x02\x00\x00\x00\xff\xff", 300) + "\x00", ""},
		{"stored block that is final", "\x01\x05\x00\xfa\xffHello", "Hello"},
		{"two final blocks", "\xf3\x48\xcd\xc9\xc9\x07\x00\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "HelloHello"},
		{"a reference across a final block", "\xf3\x48\xcd\xc9\xc9\x07\x00\xf2\x00\x11\x00\x00", "HelloHello"},
	}
	var d deflate.Decoder
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, limit := range []int{-1, len(tt.want), 1000} {
				got, err := d.Inflate([]byte("before "), []byte(tt.payload), nil, limit)
				if err != nil || string(got) != "before "+tt.want {
					t.Errorf("Inflate(%x), limit %d = %q, %v, want %q", tt.payload, limit, got, err, "before "+tt.want)
				}
			}
		})
	}
}

func TestRFC7692_7_2_3_2_HistoryOfEarlierMessages(t *testing.T) {
	var d deflate.Decoder
	second := []byte("\xf2\x00\x11\x00\x00") // "H" and a reference five bytes back
	if got, err := d.Inflate(nil, second, []byte("and Hello"), 5); err != nil || string(got) != "Hello" {
		t.Errorf("Inflate = %q, %v, want Hello", got, err)
	}
	if got, err := d.Inflate(nil, second, []byte("llo"), 5); !errors.Is(err, deflate.ErrCorrupt) {
		t.Errorf("Inflate = %q, %v, want an error: the history is too short", got, err)
	}
	if got, err := d.Inflate([]byte("Hello"), second, nil, 5); !errors.Is(err, deflate.ErrCorrupt) || string(got) != "Hello" {
		t.Errorf("Inflate = %q, %v, want an error: dst is no history", got, err)
	}
}

func TestWrongPayloadsAreToldApart(t *testing.T) {
	tests := []struct {
		name    string
		payload string
		want    error
	}{
		{"cut in a fixed block", "\xf2\x48\xcd\xc9\xc9\x07", deflate.ErrTruncated},
		{"cut in the first byte of a code", "\xf2", deflate.ErrTruncated},
		{"cut behind a block", "\x00\x05\x00\xfa\xffHello", deflate.ErrTruncated},
		{"cut in a stored block", "\x00\x05\x00\xfa\xffHell", deflate.ErrTruncated},
		{"cut in the length of a stored block", "\x00\x05\x00\xfa", deflate.ErrTruncated},
		{"the tail was left on", "\xf2\x48\xcd\xc9\xc9\x07\x00\x00\x00\xff\xff", deflate.ErrTruncated},
		{"wrong complement of a length", "\x00\x05\x00\xfa\xfeHello\x00", deflate.ErrCorrupt},
		{"block of the reserved kind", "\x06\x00\x00", deflate.ErrCorrupt},
		{"garbage behind a final block", "\xf3\x48\xcd\xc9\xc9\x07\x00\x06", deflate.ErrCorrupt},
		{"64 final blocks", strings.Repeat("\x03\x00", 64), nil},
		{"65 final blocks", strings.Repeat("\x03\x00", 65), deflate.ErrFinalBlocks},
	}
	var d deflate.Decoder
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := d.Inflate([]byte("x"), []byte(tt.payload), nil, 100); !errors.Is(err, tt.want) || string(got) != "x" {
				t.Errorf("Inflate(%x) = %q, %v, want %v", tt.payload, got, err, tt.want)
			}
		})
	}
}

// TestEveryMessageOfCompressFlateComesBack tries all levels, and the limit at the size
// of each message and one below, with room for the message and without.
func TestEveryMessageOfCompressFlateComesBack(t *testing.T) {
	var d deflate.Decoder
	sender := flateSender{}
	for name, message := range inflateCorpus() {
		for _, level := range flateLevels {
			payload := sender.payload(level, message)
			n := len(message)
			for _, room := range []int{0, n - 1, n, n + 1, 2 * n} {
				dst := append(make([]byte, 0, 3+room), "abc"...)
				got, err := d.Inflate(dst, payload, nil, n)
				if err != nil || !bytes.Equal(got[3:], message) || string(got[:3]) != "abc" {
					t.Fatalf("%s, level %d, room for %d: %d of %d bytes, %v", name, level, room, len(got)-3, n, err)
				}
				if room >= n && &got[0] != &dst[0] {
					t.Errorf("%s, level %d, room for %d: %d bytes are moved", name, level, room, n)
				}
				if got, err := d.Inflate(dst, payload, nil, n-1); !errors.Is(err, deflate.ErrTooLong) || string(got) != "abc" {
					t.Fatalf("%s, level %d, room for %d: %q, %v, want ErrTooLong", name, level, room, got, err)
				}
			}
			if got, err := d.Inflate(nil, payload, nil, -1); err != nil || !bytes.Equal(got, message) {
				t.Errorf("%s, level %d, no limit: %v", name, level, err)
			}
		}
	}
}

func TestNoByteIsWrittenBeyondTheLimit(t *testing.T) {
	var d deflate.Decoder
	sender := flateSender{}
	for name, message := range inflateCorpus() {
		payload := sender.payload(6, message)
		for _, limit := range []int{0, 1, len(message) / 2, len(message) - 1, len(message), len(message) + 3} {
			buf := bytes.Repeat([]byte{0xA5}, 3+limit+600)
			d.Inflate(buf[:3], payload, nil, limit)
			if beyond := buf[3+limit:]; !bytes.Equal(beyond, bytes.Repeat([]byte{0xA5}, len(beyond))) {
				t.Errorf("%s, limit %d: bytes beyond it are written", name, limit)
			}
			if !bytes.Equal(buf[:3], []byte{0xA5, 0xA5, 0xA5}) {
				t.Errorf("%s, limit %d: bytes before the message are written", name, limit)
			}
		}
	}
}

// TestMemoryFollowsTheLimit sends 60 MiB in 60 KB: a few times the limit is allocated.
func TestMemoryFollowsTheLimit(t *testing.T) {
	const limit = 64 << 10
	mebibyte := flateSender{}.payload(9, make([]byte, 1<<20))
	stored := append([]byte("\x00\xff\xff\x00\x00"), make([]byte, 0xFFFF)...)
	for name, bomb := range map[string][]byte{
		"zeros":         bytes.Repeat(append(bytes.Clone(mebibyte), tail...), 60),
		"stored blocks": bytes.Repeat(stored, 3),
	} {
		for _, limit := range []int{limit, 100} {
			var d deflate.Decoder
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			out, err := d.Inflate(nil, bomb, nil, limit)
			runtime.ReadMemStats(&after)
			if !errors.Is(err, deflate.ErrTooLong) || out != nil {
				t.Errorf("%s: Inflate = %d bytes, %v, want ErrTooLong", name, len(out), err)
			}
			if n := after.TotalAlloc - before.TotalAlloc; n > uint64(3*limit)+32<<10 {
				t.Errorf("%s, limit %d: %d bytes allocated", name, limit, n)
			}
		}
	}
}

// TestRoomFollowsWhatCameIn: a limit is no reason to allocate as much.
func TestRoomFollowsWhatCameIn(t *testing.T) {
	for _, size := range []int{20, 100, 500, 2 << 10, 16 << 10, 64 << 10} {
		message := inflateMix(size, 1)[0]
		payload := flateSender{}.payload(6, message)
		got, err := new(deflate.Decoder).Inflate(nil, payload, nil, 1<<26)
		must(t, err)
		if most := max(512, 4*len(payload), 2*size); cap(got) > most {
			t.Errorf("room for %d bytes, for a message of %d in %d, want %d at most", cap(got), size, len(payload), most)
		}
	}
}

// TestHistoriesOfAllWindows compresses behind histories as large as each window.
func TestHistoriesOfAllWindows(t *testing.T) {
	var d deflate.Decoder
	messages := inflateMix(500, 100)
	plain := bytes.Join(messages, nil)
	for bits := 8; bits <= 15; bits++ {
		for _, level := range []int{1, 3, 6, 9} {
			for _, size := range []int{1, 1<<bits - 1, 1 << bits} {
				history := plain[:size]
				for _, message := range [][]byte{messages[70][:60], messages[71], plain[:5000], bytes.Repeat(history[:1], 700)} {
					payload := payloadWithHistory(level, message, history)
					got, err := d.Inflate(nil, payload, history, len(message))
					if err != nil || !bytes.Equal(got, message) {
						t.Fatalf("bits %d, level %d, %d bytes of history: %d of %d bytes, %v", bits, level, size, len(got), len(message), err)
					}
				}
			}
		}
	}
}

// TestReferencesReachAsFarAsTheHistory copies from the first byte that is there, and from one before.
func TestReferencesReachAsFarAsTheHistory(t *testing.T) {
	var d deflate.Decoder
	plain := inflateMix(40_000, 1)[0]
	for _, size := range []int{0, 1, 2, 7, 8, 9, 256, 4096, 32768 - 300, 32768} {
		history := plain[:size]
		for _, before := range []int{0, 1, 5, 255} { // bytes of the message that come first
			for _, length := range []int{3, 4, 9, 257, 258} {
				for _, over := range []int{0, 1} {
					distance := size + before + over
					if distance == 0 || distance > 32768 {
						continue // there is no code for it
					}
					payload := literalsThenCopy(plain[:before], length, distance)
					got, err := d.Inflate(nil, payload, history, 1000)
					if over > 0 {
						if !errors.Is(err, deflate.ErrCorrupt) {
							t.Errorf("history %d, before %d, distance %d: %d bytes, %v, want ErrCorrupt", size, before, distance, len(got), err)
						}
						continue
					}
					want, wantErr := flateInflate(payload, history)
					if err != nil || wantErr != nil || !bytes.Equal(got, want) {
						t.Errorf("history %d, before %d, distance %d: %q, %v, want %q, %v", size, before, distance, got, err, want, wantErr)
					}
				}
			}
		}
	}
}

// TestCopiesOfAllLengthsAndDistances has each length with the distances around it.
func TestCopiesOfAllLengthsAndDistances(t *testing.T) {
	var d deflate.Decoder
	rng := rand.New(rand.NewPCG(21, 22))
	plain := inflateMix(1000, 1)[0]
	for length := 3; length <= 258; length++ {
		for _, distance := range []int{1, 2, 3, 7, 8, 9, length - 1, length, length + 1, 1 + rng.IntN(600)} {
			if distance < 1 {
				continue
			}
			want := bytes.Clone(plain[:600])
			for range length {
				want = append(want, want[len(want)-distance])
			}
			payload := literalsThenCopy(want[:600], length, distance)
			for _, room := range []int{0, len(want), len(want) + 7, len(want) + 100} {
				got, err := d.Inflate(make([]byte, 0, room), payload, nil, len(want))
				if err != nil || !bytes.Equal(got, want) {
					t.Fatalf("length %d, distance %d, room %d: %v", length, distance, room, err)
				}
			}
		}
	}
}

func TestDecoderAllocatesNothingPerMessage(t *testing.T) {
	var d deflate.Decoder
	w := deflate.NewWindow(12)
	sender := flateSender{}
	var payloads [][]byte
	for _, size := range []int{1, 100, 500, 2 << 10, 16 << 10} {
		for _, message := range inflateMix(max(size, 20), 3) {
			for _, level := range []int{-2, 0, 1, 6} {
				payloads = append(payloads, sender.payload(level, message))
			}
		}
	}
	payloads = append(payloads, sender.payload(6, inflateCorpus()["skewed"]))
	var out []byte
	allocs := testing.AllocsPerRun(20, func() {
		for _, payload := range payloads {
			got, err := d.Inflate(out[:0], payload, w.Tail(), 64<<10)
			must(t, err)
			w.Append(got)
			out = got
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations for %d messages, want none", allocs, len(payloads))
	}
}

// TestDecoderIsSmall bounds what a message that waits for its decoder to be done costs.
func TestDecoderIsSmall(t *testing.T) {
	if n := reflect.TypeFor[deflate.Decoder]().Size(); n > 11<<10 {
		t.Errorf("a Decoder has %d bytes, want 11 KiB at most", n)
	}
}

// TestDecoderIsReadyAfterAnError uses one decoder for damaged and for whole payloads in turn.
func TestDecoderIsReadyAfterAnError(t *testing.T) {
	var d deflate.Decoder
	rng := rand.New(rand.NewPCG(23, 24))
	sender := flateSender{}
	for i, message := range inflateMix(300, 200) {
		payload := sender.payload(6, message)
		damaged := bytes.Clone(payload)
		for range 1 + i%4 {
			damaged[rng.IntN(len(damaged))] = byte(rng.Uint32())
		}
		d.Inflate(nil, damaged, nil, 200)
		if got, err := d.Inflate(nil, payload, nil, 300); err != nil || !bytes.Equal(got, message) {
			t.Fatalf("message %d: %v", i, err)
		}
	}
}

func ExampleDecoder() {
	var d deflate.Decoder
	message, err := d.Inflate(nil, []byte("\xf2\x48\xcd\xc9\xc9\x07\x00"), nil, 1024)
	fmt.Println(string(message), err)
	// Output: Hello <nil>
}
