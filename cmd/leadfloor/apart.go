package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime/debug"
	"runtime/metrics"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"leadfloor/ingest"
)

const (
	// apartMemory in bytes is what a process may take that reads one message; the most that an honest one was seen to take is a
	// tenth of it.
	apartMemory = 512 << 20
	// apartTime is how long it may take, which is well within what a mailbox gives a message.
	apartTime = time.Minute
	// apartAnswer in bytes is more than is kept of any message.
	apartAnswer = 64 << 20
	// apartStack in bytes is what is read of its last words.
	apartStack = 64 << 10
)

// The exit codes of a process that is over its bounds. Go itself ends with 2 when it cannot go on.
const (
	exitMemory = 3
	exitTime   = 4
)

// newReadApartCmd is what the daemon runs for a message at which several daemons ended. It is no one else's to use.
func newReadApartCmd(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "read-apart", Hidden: true, Args: cobra.NoArgs,
		Short: "Read one message for the daemon, within bounds",
		RunE: func(cmd *cobra.Command, _ []string) error {
			// Who stops the service tells all of its processes; the daemon ends this one when it is time.
			signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
			bound(apartMemory, apartTime)
			return ingest.WorkApart(cmd.Context(), e.stdin, e.stdout)
		},
	}
}

// bound ends the process when it takes more memory or time. It is done from within, since the unit's filter of system calls allows no
// setrlimit; where the machine itself runs out of memory first, this process is the one to go.
func bound(memory int64, d time.Duration) {
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0) // Linux alone has it
	debug.SetMemoryLimit(memory / 4 * 3)
	time.AfterFunc(d, func() { os.Exit(exitTime) })
	go func() {
		taken := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
		for range time.Tick(5 * time.Millisecond) {
			metrics.Read(taken)
			if taken[0].Value.Uint64()-taken[1].Value.Uint64() > uint64(memory) {
				os.Exit(exitMemory)
			}
		}
	}()
}

// readApart runs the program itself for one message. It implements ingest.Apart.
func readApart(ctx context.Context, job []byte) ([]byte, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the program: %w", err)
	}
	return runApart(ctx, exec.Command(self, "read-apart"), job, apartTime+5*time.Second)
}

// runApart gives the process its job and waits for its answer.
func runApart(ctx context.Context, cmd *exec.Cmd, job []byte, limit time.Duration) ([]byte, error) {
	answer, words := &capped{left: apartAnswer}, &capped{left: apartStack}
	// Nothing of the daemon's surroundings is its business: they hold secrets.
	cmd.Env = append(cmd.Env, "GOMAXPROCS=1", "GOTRACEBACK=single")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(job), answer, words
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a process: %w", err)
	}
	over := time.AfterFunc(limit, func() { _ = cmd.Process.Kill() }) // it may have ended meanwhile
	defer over.Stop()
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	if !stop() {
		return nil, context.Cause(ctx) // we ended it
	}
	var exit *exec.ExitError
	switch {
	case err == nil && answer.left > 0:
		return answer.Bytes(), nil
	case err == nil:
		return nil, errors.New("the answer is too long")
	case !errors.As(err, &exit):
		return nil, fmt.Errorf("wait for the process: %w", err)
	case exit.ExitCode() == exitFailed:
		return nil, errors.New("the process could not do its work")
	}
	how := exit.String()
	switch exit.ExitCode() {
	case exitMemory:
		how = fmt.Sprintf("over %d MiB of memory", apartMemory>>20)
	case exitTime:
		how = "over " + apartTime.String()
	}
	return nil, &ingest.DiedError{How: how, Stack: words.Bytes()}
}

// capped keeps what is written up to a limit, and takes the rest without keeping it.
type capped struct {
	bytes.Buffer
	left int
}

var _ io.Writer = (*capped)(nil)

func (c *capped) Write(p []byte) (int, error) {
	kept := p[:min(len(p), c.left)]
	c.left -= len(kept)
	c.Buffer.Write(kept)
	return len(p), nil
}
