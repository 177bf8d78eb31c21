package wsproto_test

import (
	"bufio"
	"net/http"
	"strings"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
)

// The key and its answer of RFC 6455 section 1.3.
const (
	sampleKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	sampleAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

func TestRFC6455_1_3_AcceptKey(t *testing.T) {
	if got := wsproto.AcceptKey(sampleKey); got != sampleAccept {
		t.Errorf("AcceptKey(%q) = %q, want %q", sampleKey, got, sampleAccept)
	}
}

// TestHandshakeBothWays lets client and server of this package meet, with net/http
// as the judge in the middle.
func TestHandshakeBothWays(t *testing.T) {
	offer := wsproto.DeflateOffer{ClientNoTakeover: true, ClientBits: 15}
	request, err := wsproto.AppendRequest(nil, wsproto.DialRequest{
		Host:         "example.com:8080",
		Target:       "/socket?room=1",
		Key:          sampleKey,
		Subprotocols: []string{"chat", "superchat"},
		Extensions:   wsproto.OfferDeflate(offer),
		Header:       map[string][]string{"Authorization": {"Bearer abc"}, "Origin": {"http://example.com:8080"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	h, err := http.ReadRequest(bufio.NewReader(strings.NewReader(string(request))))
	if err != nil {
		t.Fatalf("net/http refuses the request: %v\n%s", err, request)
	}
	if got := h.Header.Get("Authorization"); got != "Bearer abc" {
		t.Errorf("Authorization = %q", got)
	}
	r := wsproto.Request{
		Method: h.Method, ProtoMajor: h.ProtoMajor, ProtoMinor: h.ProtoMinor,
		Host: h.Host, Header: h.Header, ContentLength: h.ContentLength,
	}
	if !wsproto.IsUpgrade(h.Header) {
		t.Error("IsUpgrade = false")
	}
	got, refusal := wsproto.CheckUpgrade(r)
	if refusal != nil {
		t.Fatalf("refused: %+v", refusal)
	}
	if refusal := (wsproto.OriginPolicy{}).Check(r); refusal != nil {
		t.Fatalf("refused: %+v", refusal)
	}
	params, answer, ok := wsproto.AcceptDeflate(got.Extensions, wsproto.DeflatePolicy{ServerNoTakeover: true, ClientBits: 12})
	if !ok {
		t.Fatal("the offer is declined")
	}
	response, err := wsproto.AppendAccept(nil, wsproto.Accept{
		Key: got.Key, Subprotocol: "superchat", Extensions: answer,
		Header: map[string][]string{"Set-Cookie": {"a=1", "b=2"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := http.ReadResponse(bufio.NewReader(strings.NewReader(string(response))), h); err != nil {
		t.Errorf("net/http refuses the response: %v", err)
	}
	for n := range len(response) {
		if _, k, err := wsproto.ParseResponse(response[:n], 0); k != 0 || err != nil {
			t.Fatalf("ParseResponse of the first %d bytes = %d, %v, want to need more", n, k, err)
		}
	}
	parsed, n, err := wsproto.ParseResponse(append(response, "\x81\x00"...), 0)
	if err != nil || n != len(response) {
		t.Fatalf("ParseResponse = %d, %v, want %d", n, err, len(response))
	}
	agreed, err := wsproto.CheckResponse(parsed, sampleKey, []string{"chat", "superchat"}, &offer)
	if err != nil {
		t.Fatal(err)
	}
	want := wsproto.Agreed{Subprotocol: "superchat", Compressed: true, Deflate: params}
	if agreed != want {
		t.Errorf("CheckResponse = %+v, want %+v", agreed, want)
	}
}
