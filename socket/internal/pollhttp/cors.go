package pollhttp

import "net/http"

// AllowOrigin lets pages of this origin read the answer to come, which a browser
// denies otherwise. The caller has decided that the origin may; a server without
// other origins never calls it. Credentials, which are what the browser adds by itself,
// are not allowed: the session's token is none.
func AllowOrigin(h http.Header, origin string) {
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", seqHeader+", Socket-Session, Retry-After")
	h.Add("Vary", "Origin")
}

// Preflight answers the OPTIONS request by which a browser asks whether a page of
// this origin may use the protocol. The caller has decided that it may. Socket-Session
// and Authorization are for the caller, and reach it in the request that opens a session.
func Preflight(w http.ResponseWriter, origin string) {
	h := w.Header()
	AllowOrigin(h, origin)
	h.Set("Access-Control-Allow-Methods", "GET, POST, DELETE")
	h.Set("Access-Control-Allow-Headers", tokenHeader+", Socket-Session, Authorization, Content-Type, Content-Encoding")
	h.Set("Access-Control-Max-Age", "600")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNoContent)
}
