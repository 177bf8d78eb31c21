package distributed

import (
	"crypto/rand"
	"encoding/hex"
	"strconv"
	"strings"
)

// ProcessID is the address of a process: its unique id, or a name that it is registered
// under. A name is that of whatever process has it at the moment; a unique id is that of
// one process, for ever. @ and the name of a node may follow either.
type ProcessID string

// PID is one process: it is never that of another one, on any node. PIDs can be compared.
// The zero PID is no process.
type PID struct {
	node   *identity
	serial uint64
}

// identity is one life of a node.
type identity struct {
	name     string
	creation string // differs from those of the node's other lives
}

func newIdentity(name string) *identity {
	var random [4]byte
	rand.Read(random[:]) // never fails
	return &identity{name, hex.EncodeToString(random[:])}
}

// ID returns the unique id, without a node.
func (p PID) ID() ProcessID {
	if p.node == nil {
		return ""
	}
	return uniqueID(p.serial, p.node.creation)
}

// Node returns the name of the node, "" for the zero PID.
func (p PID) Node() string {
	if p.node == nil {
		return ""
	}
	return p.node.name
}

// String returns the unique id with its node.
func (p PID) String() string {
	if p.node == nil {
		return "no process"
	}
	return string(p.ID()) + "@" + p.node.name
}

// A unique id is # and a serial number, a dot and the creation of its node.
func uniqueID(serial uint64, creation string) ProcessID {
	buf := make([]byte, 0, 32)
	buf = append(buf, '#')
	buf = strconv.AppendUint(buf, serial, 10)
	buf = append(buf, '.')
	return ProcessID(append(buf, creation...))
}

// parseUnique returns the serial number of a unique id of a node of that creation.
func parseUnique(id, creation string) (serial uint64, ok bool) {
	digits, life, _ := strings.Cut(id[1:], ".")
	if life != creation {
		return 0, false
	}
	serial, err := strconv.ParseUint(digits, 10, 64)
	return serial, err == nil
}

// checkName returns an error if a process cannot be registered under a name.
func checkName(name ProcessID) error {
	if name == "" || len(name) > 255 || name[0] == '#' || strings.Contains(string(name), "@") {
		return ErrBadName
	}
	return nil
}
