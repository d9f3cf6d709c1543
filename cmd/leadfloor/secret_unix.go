//go:build unix

package main

import (
	"io/fs"
	"os"
	"syscall"
)

// chownLike gives the file the owner and group of another: a file written by root must stay readable for the daemon.
func chownLike(f *os.File, other fs.FileInfo) error {
	if s, ok := other.Sys().(*syscall.Stat_t); ok && (int(s.Uid) != os.Geteuid() || int(s.Gid) != os.Getegid()) {
		return f.Chown(int(s.Uid), int(s.Gid))
	}
	return nil
}
