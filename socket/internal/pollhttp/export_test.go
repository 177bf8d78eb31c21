package pollhttp

// NewToken is newToken without its key.
func NewToken() string {
	token, _ := newToken()
	return token
}
