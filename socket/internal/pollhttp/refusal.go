package pollhttp

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
)

// Refusal is an error that says how a request is answered: with Status, the
// extra fields of Header, and {"error": Reason}. Reason goes to the client and is
// one sentence.
type Refusal struct {
	Status int
	Reason string
	Header http.Header

	more map[string]any // members of the answer beside the error
}

// Error returns the reason with the status.
func (r *Refusal) Error() string {
	return "pollhttp: " + r.Reason + " (status " + strconv.Itoa(r.Status) + ")"
}

// write answers a request with the refusal.
func (r *Refusal) write(w http.ResponseWriter) {
	for name, values := range r.Header {
		w.Header()[name] = values
	}
	writeJSON(w, r.Status, r.Members())
}

// Members returns what the answer's JSON object holds.
func (r *Refusal) Members() map[string]any {
	members := map[string]any{"error": r.Reason}
	for name, value := range r.more {
		members[name] = value
	}
	return members
}

// Closed answers requests of a session that the server closed with a code and a reason.
// Code 0 says neither.
func Closed(code uint16, reason string) *Refusal {
	r := &Refusal{Status: http.StatusGone, Reason: "the server closed the session"}
	if code != 0 {
		r.more = map[string]any{"code": code, "reason": reason}
	}
	return r
}

func badRequest(reason string) *Refusal {
	return &Refusal{Status: http.StatusBadRequest, Reason: reason}
}

// refusalOf returns the refusal that err is, or else one with the status and the
// fixed reason: other errors are for our side only.
func refusalOf(err error, status int, reason string) *Refusal {
	var r *Refusal
	if errors.As(err, &r) {
		return r
	}
	return &Refusal{Status: status, Reason: reason}
}

// writeJSON answers a request with a JSON value.
func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic("BUG: pollhttp: an answer is not JSON: " + err.Error())
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body) // the client is gone if this fails; it asks again or expires
}
