package session_test

import (
	"crypto/rand"
	"strings"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/internal/session"
)

func TestIDAndTokenForm(t *testing.T) {
	if got, want := session.NewID([16]byte{}), strings.Repeat("A", 22); got != want {
		t.Errorf("NewID(0) = %q, want %q", got, want)
	}
	if got, want := session.NewToken([24]byte{0: 0xfb, 23: 0xff}), "-wAAAAAAAAAAAAAAAAAAAAAAAAAAAAD_"; got != want {
		t.Errorf("NewToken = %q, want %q", got, want)
	}
	for range 1000 {
		var a [16]byte
		var b [24]byte
		rand.Read(a[:])
		rand.Read(b[:])
		id, token := session.NewID(a), session.NewToken(b)
		if len(id) != session.IDLength || !session.CheckID(id) || session.CheckToken(id) {
			t.Errorf("id %q", id)
		}
		if len(token) != session.TokenLength || !session.CheckToken(token) || session.CheckID(token) {
			t.Errorf("token %q", token)
		}
	}
}

func TestCheckRefuses(t *testing.T) {
	id := strings.Repeat("A", 22)
	for _, s := range []string{
		"", "A", id[1:], id + "A", id[:21] + "B", // B: unused bits set
		id[:20] + "==", id[:20] + "\r\n", "\n" + id[1:], id[:21] + "+", id[:21] + "/", id[:21] + "\x00", id[:20] + "é",
	} {
		if session.CheckID(s) {
			t.Errorf("CheckID(%q) = true", s)
		}
	}
	token := strings.Repeat("z", 32)
	for _, s := range []string{"", token[1:], token + "z", token[:31] + "=", token[:28] + "\r\n\r\n", token[:31] + " ", strings.Repeat("z", 1<<16)} {
		if session.CheckToken(s) {
			t.Errorf("CheckToken(%q) = true", s)
		}
	}
	if n := testing.AllocsPerRun(100, func() { session.CheckToken(token) }); n != 0 {
		t.Errorf("CheckToken allocates %v times", n)
	}
}
