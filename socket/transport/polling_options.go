package transport

// longPollingOptions are the settings of a [LongPollingTransport].
type longPollingOptions struct {
	sharedOptions
}
