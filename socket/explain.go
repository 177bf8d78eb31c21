package socket

import (
	_ "embed"
	"encoding/json"
	"net/http"

	"github.com/kleeedolinux/socket.go/socket/internal/pollhttp"
)

//go:embed explain.html
var explanation []byte

// serveExplanation answers a request that asks for neither transport, most
// likely a person's who has opened the address in a browser.
func serveExplanation(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		refuse(w, &pollhttp.Refusal{
			Status: http.StatusMethodNotAllowed,
			Reason: "use GET with a WebSocket handshake, or the query transport=polling",
			Header: http.Header{"Allow": {"GET, HEAD"}},
		})
		return
	}
	h := w.Header()
	if r.ContentLength != 0 {
		h.Set("Connection", "close") // or net/http waits for a body that nobody asked for
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	// connect-src: what the page says to type into the console has to work there as well.
	h.Set("Content-Security-Policy", "default-src 'none'; connect-src 'self'; style-src 'unsafe-inline'")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(explanation) // nobody is left to tell
}

// refuse answers a request with a one-sentence reason. The HTTP connection is
// closed: what follows a refused upgrade is not HTTP.
func refuse(w http.ResponseWriter, ref *pollhttp.Refusal) {
	h := w.Header()
	for name, values := range ref.Header {
		h[name] = values
	}
	h.Set("Connection", "close")
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(ref.Status)
	_ = json.NewEncoder(w).Encode(ref.Members()) // nobody is left to tell
}
