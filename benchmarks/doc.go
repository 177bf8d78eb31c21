// Package benchmarks measures what users of the module would measure, through
// its public packages alone: echoes, broadcasts and long polling over real
// connections on the loopback interface, client and server in one process.
//
//	go test -run '^$' -bench . -benchmem ./benchmarks
//
// README.md has the figures of one machine and says what they mean.
package benchmarks
