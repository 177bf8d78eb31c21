package socket_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/kleeedolinux/socket.go/socket"
)

// A page may send only those fields of a request to another origin that the preflight
// allows, and read only those of the answer that it exposes.
func TestPagesOfAllowedOriginsMaySendAndReadWhatTheProtocolNeeds(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		const origin = "https://chat.example.com"
		e.serve(socket.WithAllowedOrigins(origin), socket.WithMaxConcurrency(1))
		client := &http.Client{Transport: &http.Transport{DialContext: e.dial}}
		defer client.CloseIdleConnections()
		ask := func(method string, header ...string) *http.Response {
			t.Helper()
			r, err := http.NewRequest(method, "http://server/socket?transport=polling", nil)
			if err != nil {
				t.Fatal(err)
			}
			for i := 0; i < len(header); i += 2 {
				r.Header.Set(header[i], header[i+1])
			}
			answer, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			return answer
		}
		lists := func(h http.Header, name, item string) bool {
			return slices.Contains(strings.Split(h.Get(name), ", "), item)
		}

		may := ask(http.MethodOptions, "Origin", origin, "Access-Control-Request-Method", "POST")
		for _, name := range []string{"Socket-Token", "Socket-Session", "Authorization", "Content-Type", "Content-Encoding"} {
			if !lists(may.Header, "Access-Control-Allow-Headers", name) {
				t.Errorf("a page may not send %s", name)
			}
		}
		for _, tt := range []struct {
			status int
			name   string // of the field that the answer has
		}{
			{http.StatusOK, "Socket-Session"},
			{http.StatusServiceUnavailable, "Retry-After"}, // the server is full
		} {
			a := ask(http.MethodPost, "Origin", origin, "Socket-Session", "new", "Authorization", "Bearer x")
			if a.StatusCode != tt.status || a.Header.Get(tt.name) == "" {
				t.Errorf("status %d, %s %q, want %d and a value", a.StatusCode, tt.name, a.Header.Get(tt.name), tt.status)
			}
			if !lists(a.Header, "Access-Control-Expose-Headers", tt.name) {
				t.Errorf("a page may not read %s", tt.name)
			}
		}
		other := ask(http.MethodOptions, "Origin", "https://evil.example", "Access-Control-Request-Method", "POST")
		for name := range other.Header {
			if strings.HasPrefix(name, "Access-Control-") || other.StatusCode != http.StatusForbidden {
				t.Errorf("a page that may not connect is answered %d, %v", other.StatusCode, other.Header)
			}
		}
	}, polling)
}
