package transport

import "syscall"

// canSendMore says that a write can be held back for the next one, so that both
// leave in one packet.
const canSendMore = true

func sendMore(fd int, b []byte) (int, error) {
	return syscall.SendmsgN(fd, b, nil, nil, syscall.MSG_MORE)
}
