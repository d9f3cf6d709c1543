package mailbox

import (
	"context"
	"net"
)

// SetDial has a Mailbox connect otherwise than by TCP.
func (m *Mailbox) SetDial(dial func(ctx context.Context, network, address string) (net.Conn, error)) {
	m.dial = dial
}
