module github.com/kleeedolinux/socket.go

go 1.25.0
