//go:build !linux

package mailbox

import (
	"syscall"
	"time"
)

// boundUnacked does nothing where the kernel has no TCP_USER_TIMEOUT: the watchdogs notice, only later.
func boundUnacked(time.Duration) func(network, address string, raw syscall.RawConn) error { return nil }
