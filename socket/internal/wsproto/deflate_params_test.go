package wsproto_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
)

// spelling is one way to write a parameter, and what it means: whether it may
// stand in an offer and in an answer, and the window that it names.
type spelling struct {
	text   string
	offer  bool
	answer bool
	bits   int // 0: none named
}

// absent is a parameter that is not there.
var absent = spelling{"", true, true, 0}

// flagSpellings returns the ways to write a parameter without a value.
func flagSpellings(name string) []spelling {
	return []spelling{
		absent,
		{name, true, true, 0},
		{name + "=1", false, false, 0},
		{name + "=true", false, false, 0},
		{name + `="10"`, false, false, 0},
		{name + "; " + name, false, false, 0},
		{strings.ToUpper(name), false, false, 0},
	}
}

// bitsSpellings returns the ways to write a window parameter.
func bitsSpellings(name string, bareOffer bool) []spelling {
	list := []spelling{absent, {name, bareOffer, false, 0}}
	for _, v := range []string{"7", "16", "08", "-8", "80", "x", `"08"`} {
		list = append(list, spelling{name + "=" + v, false, false, 0})
	}
	for _, bits := range []int{8, 9, 11, 12, 15} {
		list = append(list, spelling{fmt.Sprintf("%s=%d", name, bits), true, true, bits})
	}
	return append(list,
		spelling{name + `="10"`, true, true, 10},
		spelling{name + `="\1\0"`, true, true, 10},
		spelling{name + " = 9", true, true, 9},
		spelling{name + "=9; " + name + "=9", false, false, 0},
		spelling{name + "=9; " + name, false, false, 0},
		spelling{name + "; " + name + "=9", false, false, 0},
	)
}

// everyCombination calls f with the four parameters of RFC 7692 in each spelling
// of each, and the header value that they make.
func everyCombination(f func(value string, serverNo, clientNo, server, client spelling)) {
	for _, sn := range flagSpellings("server_no_context_takeover") {
		for _, cn := range flagSpellings("client_no_context_takeover") {
			for _, sb := range bitsSpellings("server_max_window_bits", false) {
				for _, cb := range bitsSpellings("client_max_window_bits", true) {
					value := "permessage-deflate"
					for _, s := range []spelling{sn, cn, sb, cb} {
						if s.text != "" {
							value += "; " + s.text
						}
					}
					f(value, sn, cn, sb, cb)
				}
			}
		}
	}
}

func parse(t *testing.T, values ...string) []wsproto.Extension {
	t.Helper()
	list, err := wsproto.ParseExtensions(values)
	if err != nil {
		t.Fatalf("ParseExtensions(%q): %v", values, err)
	}
	return list
}

// or15 reads the 0 of "no value" as the default window.
func or15(bits int) int {
	if bits == 0 {
		return 15
	}
	return bits
}

// TestRFC7692_7_1_ServerAnswersEachOffer tries every offer against several
// policies, with the rules of the RFC written out once more.
func TestRFC7692_7_1_ServerAnswersEachOffer(t *testing.T) {
	policies := []wsproto.DeflatePolicy{
		{},
		{ServerNoTakeover: true, ClientNoTakeover: true},
		{ServerBits: 10, ClientBits: 12},
		{ServerBits: 8, ClientBits: 8, ServerNoTakeover: true},
		{ServerBits: 15, ClientBits: 15, ClientNoTakeover: true},
	}
	cases := 0
	everyCombination(func(value string, sn, cn, sb, cb spelling) {
		offers := parse(t, value)
		for _, policy := range policies {
			cases++
			p, answer, ok := wsproto.AcceptDeflate(offers, policy)
			if valid := sn.offer && cn.offer && sb.offer && cb.offer; ok != valid {
				t.Fatalf("AcceptDeflate(%s) = %v, want %v", value, ok, valid)
			}
			if !ok {
				if answer != "" || p != (wsproto.DeflateParams{}) {
					t.Fatalf("AcceptDeflate(%s) declines but returns %+v %q", value, p, answer)
				}
				continue
			}
			want := wsproto.DeflateParams{
				ServerNoTakeover: policy.ServerNoTakeover || sn.text != "",
				ClientNoTakeover: policy.ClientNoTakeover || cn.text != "",
				ServerBits:       min(or15(policy.ServerBits), or15(sb.bits)),
				ClientBits:       15,
			}
			if cb.text != "" {
				want.ClientBits = min(or15(policy.ClientBits), or15(cb.bits))
			}
			if want.ClientBits > or15(policy.ClientBits) {
				want.ClientNoTakeover = true // it cannot be told, and shall not keep more
			}
			if p != want {
				t.Fatalf("AcceptDeflate(%s, %+v) = %+v, want %+v", value, policy, p, want)
			}
			// Section 7.1.2.2: MUST NOT answer what was not offered.
			if strings.Contains(answer, "client_max_window_bits") && cb.text == "" {
				t.Fatalf("AcceptDeflate(%s) = %q names client_max_window_bits", value, answer)
			}
			// Section 7.1.1.1 and 7.1.2.1: an accepted parameter is repeated.
			if sb.text != "" && !strings.Contains(answer, "server_max_window_bits=") {
				t.Fatalf("AcceptDeflate(%s) = %q lacks server_max_window_bits", value, answer)
			}
			// A client that made this offer must read the same from the answer.
			offer := wsproto.DeflateOffer{
				ServerNoTakeover: sn.text != "",
				ClientNoTakeover: cn.text != "",
				ServerBits:       sb.bits,
			}
			if cb.text != "" {
				offer.ClientBits = or15(cb.bits)
			}
			got, ok, err := wsproto.CheckDeflate(offer, parse(t, answer))
			if err != nil || !ok || got != p {
				t.Fatalf("offer %s, answer %s: client reads %+v, %v, %v, want %+v", value, answer, got, ok, err, p)
			}
		}
	})
	t.Logf("%d offers", cases)
}

// TestRFC7692_7_1_ClientChecksEachAnswer tries every answer against every offer
// that the client can make.
func TestRFC7692_7_1_ClientChecksEachAnswer(t *testing.T) {
	var offers []wsproto.DeflateOffer
	for _, serverNo := range []bool{false, true} {
		for _, clientNo := range []bool{false, true} {
			for _, server := range []int{0, 8, 11, 15} {
				for _, client := range []int{0, 8, 11, 15} {
					offers = append(offers, wsproto.DeflateOffer{
						ServerNoTakeover: serverNo, ClientNoTakeover: clientNo,
						ServerBits: server, ClientBits: client,
					})
				}
			}
		}
	}
	cases, good := 0, 0
	everyCombination(func(value string, sn, cn, sb, cb spelling) {
		answer := parse(t, value)
		for _, o := range offers {
			cases++
			valid := sn.answer && cn.answer && sb.answer && cb.answer
			switch {
			case o.ServerNoTakeover && sn.text == "",
				o.ServerBits != 0 && (sb.bits == 0 || sb.bits > o.ServerBits),
				cb.text != "" && o.ClientBits == 0,
				cb.bits > o.ClientBits:
				valid = false
			}
			p, ok, err := wsproto.CheckDeflate(o, answer)
			if (err == nil) != valid || ok != valid {
				t.Fatalf("CheckDeflate(%+v, %s) = %v, %v, want %v", o, value, ok, err, valid)
			}
			if !valid {
				continue
			}
			good++
			want := wsproto.DeflateParams{
				ServerNoTakeover: sn.text != "",
				ClientNoTakeover: cn.text != "" || o.ClientNoTakeover,
				ServerBits:       or15(sb.bits),
				ClientBits:       or15(o.ClientBits),
			}
			if cb.bits != 0 {
				want.ClientBits = cb.bits
			}
			if p != want {
				t.Fatalf("CheckDeflate(%+v, %s) = %+v, want %+v", o, value, p, want)
			}
		}
	})
	t.Logf("%d answers, %d of them good", cases, good)
}

// TestRFC7692_7_1_2_WindowBits reads every value on its own.
func TestRFC7692_7_1_2_WindowBits(t *testing.T) {
	good := map[string]int{"8": 8, "9": 9, "10": 10, "11": 11, "12": 12, "13": 13, "14": 14, "15": 15}
	values := []string{
		"00", "08", "09", "010", "015", "0015", "-8", "-9", "+9", "8.0", "9.", "0x9", "0b1001", "1e1", "1_0", "80", "150",
		"99999999999999999999", "4294967304", "18446744073709551624", "x", "8x", "a8", "%38",
	}
	for i := range 300 {
		values = append(values, strconv.Itoa(i))
	}
	for _, v := range values {
		for _, name := range []string{"server_max_window_bits", "client_max_window_bits"} {
			list := parse(t, "permessage-deflate; "+name+"="+v)
			p, _, ok := wsproto.AcceptDeflate(list, wsproto.DeflatePolicy{})
			if want := good[v] != 0; ok != want || want && p.ServerBits+p.ClientBits != 15+good[v] {
				t.Errorf("server: %s=%s: %+v, %v", name, v, p, ok)
			}
			p, ok, err := wsproto.CheckDeflate(wsproto.DeflateOffer{ClientBits: 15}, list)
			if want := good[v] != 0; ok != want || (err == nil) != want || want && p.ServerBits+p.ClientBits != 15+good[v] {
				t.Errorf("client: %s=%s: %+v, %v, %v", name, v, p, ok, err)
			}
		}
	}
}

// TestRFC7692_5_1_OfferFallback walks over the offers in their order.
func TestRFC7692_5_1_OfferFallback(t *testing.T) {
	tests := []struct {
		name   string
		offers []string
		want   string // empty: declined
	}{
		{"none", nil, ""},
		{"another extension", []string{"x-webkit-deflate-frame"}, ""},
		{"substring", []string{"x-permessage-deflate, permessage-deflate2"}, ""},
		{"upper case is another name", []string{"PERMESSAGE-DEFLATE"}, ""},
		{"plain", []string{"permessage-deflate"}, "permessage-deflate"},
		{"unknown parameter, then plain", []string{"permessage-deflate; foo=1, permessage-deflate"}, "permessage-deflate"},
		{"only unknown parameter", []string{"permessage-deflate; foo"}, ""},
		{"bad window, then window", []string{"permessage-deflate; server_max_window_bits=7, permessage-deflate; server_max_window_bits=9, permessage-deflate"}, "permessage-deflate; server_max_window_bits=9"},
		{"first good one wins", []string{"permessage-deflate; client_no_context_takeover, permessage-deflate; server_max_window_bits=8"}, "permessage-deflate; client_no_context_takeover"},
		{"over two lines", []string{"permessage-deflate; server_max_window_bits=16", "foo, permessage-deflate; server_no_context_takeover"}, "permessage-deflate; server_no_context_takeover"},
		{"Chrome", []string{"permessage-deflate; client_max_window_bits"}, "permessage-deflate"},
		{"Autobahn 13.7", []string{"permessage-deflate; server_no_context_takeover; server_max_window_bits=9, permessage-deflate; server_no_context_takeover, permessage-deflate"}, "permessage-deflate; server_no_context_takeover; server_max_window_bits=9"},
		{"the window is repeated when it is 15", []string{"permessage-deflate; server_max_window_bits=15"}, "permessage-deflate; server_max_window_bits=15"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, got, ok := wsproto.AcceptDeflate(parse(t, tt.offers...), wsproto.DeflatePolicy{})
			if got != tt.want || ok != (tt.want != "") {
				t.Errorf("AcceptDeflate(%q) = %q, %v, want %q", tt.offers, got, ok, tt.want)
			}
		})
	}
}

// TestThreatB2_CVE_2026_2229_ClientRefusesAnswer fails the handshake, and nothing
// worse, for what a hostile server answers.
func TestThreatB2_CVE_2026_2229_ClientRefusesAnswer(t *testing.T) {
	offer := &wsproto.DeflateOffer{ClientBits: 15}
	for _, value := range []string{
		"permessage-deflate; server_max_window_bits=1000",
		"permessage-deflate; server_max_window_bits=-1",
		"permessage-deflate; server_max_window_bits",
		"permessage-deflate; client_max_window_bits",
		"permessage-deflate; client_max_window_bits=0",
		"permessage-deflate, permessage-deflate",
		"permessage-deflate; x",
		"x-snappy",
		"permessage-deflate, x-snappy",
		"permessage-deflate;",
		"permessage-deflate; =9",
		"permessage-deflate; server_max_window_bits=",
		"permessage-deflate; server_max_window_bits=\"9",
		",",
		"",
	} {
		r := goodResponse()
		r.Header["Sec-Websocket-Extensions"] = []string{value}
		if _, err := wsproto.CheckResponse(r, sampleKey, nil, offer); err == nil {
			t.Errorf("%q is accepted", value)
		}
		if _, err := wsproto.CheckResponse(r, sampleKey, nil, nil); err == nil {
			t.Errorf("%q is accepted without an offer", value)
		}
	}
}

// TestOfferDeflate states each offer as browsers and the RFC write it.
func TestOfferDeflate(t *testing.T) {
	tests := []struct {
		offer wsproto.DeflateOffer
		want  string
	}{
		{wsproto.DeflateOffer{}, "permessage-deflate"},
		{wsproto.DeflateOffer{ClientBits: 15}, "permessage-deflate; client_max_window_bits"},
		{wsproto.DeflateOffer{ClientBits: 9}, "permessage-deflate; client_max_window_bits=9"},
		{wsproto.DeflateOffer{ServerBits: 15}, "permessage-deflate; server_max_window_bits=15"},
		{
			wsproto.DeflateOffer{ServerNoTakeover: true, ClientNoTakeover: true, ServerBits: 8, ClientBits: 8},
			"permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=8; client_max_window_bits=8",
		},
	}
	for _, tt := range tests {
		if got := wsproto.OfferDeflate(tt.offer); got != tt.want {
			t.Errorf("OfferDeflate(%+v) = %q, want %q", tt.offer, got, tt.want)
		}
	}
}

// TestDeflateParamsByRole: what one end sends the other receives.
func TestDeflateParamsByRole(t *testing.T) {
	p := wsproto.DeflateParams{ServerNoTakeover: true, ServerBits: 9, ClientBits: 12}
	server, client := wsproto.Window{Bits: 9}, wsproto.Window{Takeover: true, Bits: 12}
	for _, tt := range []struct {
		name      string
		got, want wsproto.Window
	}{
		{"server sends", p.Sent(wsproto.RoleServer), server},
		{"client receives", p.Received(wsproto.RoleClient), server},
		{"client sends", p.Sent(wsproto.RoleClient), client},
		{"server receives", p.Received(wsproto.RoleServer), client},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, tt.got, tt.want)
		}
	}
}
