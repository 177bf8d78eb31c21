// Command picture draws the bytes of each message by the kind of compression, from what
// the benchmark prints:
//
//	go test -run '^$' -bench Compression -benchtime 100ms ./benchmarks | go run ./benchmarks/picture > docs/compression.svg
package main
