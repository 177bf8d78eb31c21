// Package deflate is the codec of permessage-deflate, RFC 1951 as RFC 7692 uses it.
package deflate
