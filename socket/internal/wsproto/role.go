package wsproto

// Role is the end of the connection that a value stands for. It decides the
// direction of masking (RFC 6455 section 5.1) and whose parameters of an
// extension are whose; nothing else in the protocol differs.
type Role uint8

const (
	// RoleServer receives masked frames and sends unmasked ones.
	RoleServer Role = iota
	// RoleClient receives unmasked frames and sends masked ones.
	RoleClient
)

// String returns "server" or "client".
func (r Role) String() string {
	if r == RoleClient {
		return "client"
	}
	return "server"
}
