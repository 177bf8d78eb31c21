module github.com/kleeedolinux/socket.go/socket/internal/wsproto/deflate/compare

go 1.26.0

replace github.com/kleeedolinux/socket.go => ../../../../..

require github.com/kleeedolinux/socket.go v0.0.0

require (
	github.com/klauspost/compress v1.20.3
	github.com/lxzan/gws v1.8.9
)

require github.com/dolthub/maphash v0.1.0 // indirect
