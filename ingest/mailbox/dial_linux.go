package mailbox

import (
	"syscall"
	"time"
)

// tcpUserTimeout is TCP_USER_TIMEOUT of linux/tcp.h, which the frozen package syscall lacks.
const tcpUserTimeout = 0x12

// boundUnacked makes the kernel give a connection up when what we sent stays unacknowledged that long. Keepalive alone
// does not: it rests while data is in flight.
func boundUnacked(d time.Duration) func(network, address string, raw syscall.RawConn) error {
	return func(_, _ string, raw syscall.RawConn) error {
		// Without the option the watchdogs still notice, only later.
		return raw.Control(func(fd uintptr) {
			_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(d.Milliseconds()))
		})
	}
}
