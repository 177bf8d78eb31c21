package wsproto

import (
	"bytes"
	"errors"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto/deflate"
)

func TestInflateRatioIsBoundedAbove64KiB(t *testing.T) {
	codec := testCodec()
	tests := []struct {
		name  string
		plain []byte
		ratio int
		want  bool // delivered
	}{
		{"64 KiB of zeros is small enough for any ratio", make([]byte, 64<<10), 0, true},
		{"1 MiB of zeros is no message", make([]byte, 1<<20), 0, false},
		{"unless the limit is lifted", make([]byte, 1<<20), -1, true},
		{"or raised", make([]byte, 1<<20), 2000, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			z, ok := codec.Deflate(nil, tt.plain)
			if !ok {
				t.Fatal("zeros do not compress")
			}
			var d Decoder
			d.Init(DecoderConfig{Role: RoleClient, Inflate: testInflater(), Limits: Limits{Message: 2 << 20, InflateRatio: tt.ratio}})
			e, _, err := d.Decode(AppendFrame(nil, Header{Fin: true, RSV: rsv1, Opcode: OpBinary}, z))
			if tt.want {
				if err != nil || !bytes.Equal(e.Payload, tt.plain) {
					t.Errorf("Decode = %d bytes, %v, want the message", len(e.Payload), err)
				}
				return
			}
			var limit *LimitError
			if !errors.As(err, &limit) || limit.Limit != "inflate ratio" || limit.Code != CloseMessageTooBig {
				t.Errorf("Decode = %v, want 1009 for the inflate ratio", err)
			}
		})
	}
}

func testCodec() *PooledDeflater {
	return NewDeflater(DeflaterConfig{Borrow: func() *deflate.Encoder { return new(deflate.Encoder) }, GiveBack: func(*deflate.Encoder) {}})
}

func testInflater() *PooledInflater {
	return NewInflater(InflaterConfig{Borrow: func() *deflate.Decoder { return new(deflate.Decoder) }, GiveBack: func(*deflate.Decoder) {}})
}
