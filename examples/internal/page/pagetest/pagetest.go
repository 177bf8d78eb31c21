package pagetest

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

// HasSecurityHeaders fails the test unless the page and its files are served with them.
func HasSecurityHeaders(t *testing.T, page http.Handler) {
	t.Helper()
	for _, path := range []string{"/", "/chat.js", "/style.css", "/nothing-here"} {
		w := httptest.NewRecorder()
		page.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		for name, part := range map[string]string{
			"Content-Security-Policy": "script-src 'self'",
			"X-Content-Type-Options":  "nosniff",
			"Referrer-Policy":         "no-referrer",
		} {
			if got := w.Header().Get(name); !strings.Contains(got, part) {
				t.Errorf("GET %s: %s = %q, want %q in it", path, name, got, part)
			}
		}
	}
}

// IsOnlyRead fails the test if anything but reading is allowed.
func IsOnlyRead(t *testing.T, page http.Handler) {
	t.Helper()
	for method, want := range map[string]int{
		http.MethodGet:    http.StatusOK,
		http.MethodHead:   http.StatusOK,
		http.MethodPost:   http.StatusMethodNotAllowed,
		http.MethodDelete: http.StatusMethodNotAllowed,
	} {
		w := httptest.NewRecorder()
		page.ServeHTTP(w, httptest.NewRequest(method, "/", nil))
		if w.Code != want {
			t.Errorf("%s / = %d, want %d", method, w.Code, want)
		}
	}
}

// KeepsToItsOwnPolicy fails the test if something is in the files, below web, that the
// policy forbids: what is written in the page itself, or comes from elsewhere.
func KeepsToItsOwnPolicy(t *testing.T, web fs.FS) {
	t.Helper()
	forbidden := map[string]*regexp.Regexp{
		"inline script":      regexp.MustCompile(`<script(?:[^>]*[^>/])?>[^<]`),
		"inline style":       regexp.MustCompile(`<style|\sstyle=`),
		"inline handler":     regexp.MustCompile(`<[^>]*\son[a-z]+=`),
		"another host":       regexp.MustCompile(`(?:src|href)=["']?(?:https?:)?//|url\(|@import|from "(?:[^."]|\.[^/])`),
		"markup from a text": regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function`),
	}
	err := fs.WalkDir(web, "web", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(web, path)
		if err != nil {
			return err
		}
		for what, pattern := range forbidden {
			if found := pattern.Find(content); found != nil {
				t.Errorf("%s has %s: %q", path, what, found)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
