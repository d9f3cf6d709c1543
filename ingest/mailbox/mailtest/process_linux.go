package mailtest

import "syscall"

// processGroup has a server and its children be one group, which ends with us however we end.
func processGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
