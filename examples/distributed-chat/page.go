package main

import (
	"embed"
	"io/fs"
	"net/http"

	"github.com/kleeedolinux/socket.go/examples/internal/page"
)

//go:embed web
var web embed.FS

// pageHandler serves the files of the page.
func pageHandler() http.Handler {
	files, err := fs.Sub(web, "web")
	if err != nil {
		panic("BUG: " + err.Error()) // the name is a constant
	}
	return page.Handler(files)
}
