package transport_test

import (
	"os"
	"strings"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/internal/wstest"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// TestConformanceWithTakeover plays the families of compression once more, between an
// endpoint and a peer that both refer back to earlier messages, and the cases that are
// about that.
func TestConformanceWithTakeover(t *testing.T) {
	compression := &transport.Compression{
		Takeover: transport.WindowTakeover, PeerWindow: 15, Verify: true,
		Threshold: 512, // which the cases reckon with
	}
	var all []wstest.Case
	for _, c := range conformanceCases(t) {
		switch c.Family() {
		case 12, 13, 15:
			if c.ID != "15.15.1" { // that there is no takeover
				all = append(all, withTakeover(c))
			}
		}
	}
	more, err := wstest.Load(os.DirFS("testdata/conformance-takeover"), "*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range more {
		all = append(all, withTakeover(c))
	}
	if len(all) < 800 {
		t.Fatalf("there are %d cases", len(all))
	}
	for _, under := range []struct {
		role  wstest.Role
		start wstest.Start
	}{
		{wstest.Server, acceptEchoWith(served, compression)},
		{wstest.Client, dialEchoWith(served, compression)},
	} {
		t.Run(string(under.role), func(t *testing.T) {
			t.Parallel()
			for _, c := range all {
				if raceEnabled {
					c.Cuts = []wstest.Cut{wstest.Whole}
				}
				if c.For(under.role) {
					t.Run(c.ID, func(t *testing.T) { c.Run(t, under.role, under.start) })
				}
			}
		})
	}
}

// withTakeover has both ends of a case take over contexts where it does not say that
// they must not.
func withTakeover(c wstest.Case) wstest.Case {
	c.Setup.Offers = &wstest.Offer{ClientBits: wstest.NoValue}
	c.Opening.Answer = strings.Replace(c.Opening.Answer, "; server_no_context_takeover", "", 1)
	if c.Family() == 15 || c.Family() == 17 {
		c.Opening.Answer = strings.Replace(c.Opening.Answer, "; client_no_context_takeover", "", 1)
	}
	return c
}
