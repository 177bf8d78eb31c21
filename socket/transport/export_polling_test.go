package transport

import "net/url"

// ParsePollingURL is what Connect does with its URL first.
func ParsePollingURL(raw string) (*url.URL, error) { return parsePollingURL(raw) }

// InboxMessages is how many messages wait for Receive before polling pauses.
const InboxMessages = inboxMessages
