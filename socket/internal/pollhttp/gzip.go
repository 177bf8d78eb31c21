package pollhttp

import (
	"bytes"
	"compress/gzip"
	"strconv"
	"strings"
	"sync"
)

// minZip is the smallest body that is worth compressing.
const minZip = 1 << 10

// zipper compresses bodies. It keeps compressors for the next ones, because each
// has tables of hundreds of kilobytes (BenchmarkZip).
type zipper struct {
	pool sync.Pool // of *gzip.Writer
}

// compress returns body in gzip format. Nothing of it stays in the compressor
// that the next body could refer to.
func (z *zipper) compress(body []byte) []byte {
	var out bytes.Buffer
	w, ok := z.pool.Get().(*gzip.Writer)
	if ok {
		w.Reset(&out)
	} else {
		// The level is valid and a buffer takes everything: no errors.
		w, _ = gzip.NewWriterLevel(&out, gzip.BestSpeed)
	}
	w.Write(body)
	w.Close()
	w.Reset(nil)
	z.pool.Put(w)
	return out.Bytes()
}

// acceptsGzip reads Accept-Encoding, RFC 9110 section 12.5.3: gzip must be named,
// or any coding by "*", with a weight that is not 0.
func acceptsGzip(values []string) bool {
	others := false
	for _, value := range values {
		for item := range strings.SplitSeq(value, ",") {
			coding, parameters, _ := strings.Cut(item, ";")
			switch coding = strings.TrimSpace(coding); {
			case strings.EqualFold(coding, "gzip"):
				return weighs(parameters)
			case coding == "*":
				others = weighs(parameters)
			}
		}
	}
	return others
}

// weighs reports whether the weight of a coding is not 0.
func weighs(parameters string) bool {
	name, value, ok := strings.Cut(strings.TrimSpace(parameters), "=")
	if !ok || !strings.EqualFold(strings.TrimSpace(name), "q") {
		return true
	}
	q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	return err == nil && q > 0
}
