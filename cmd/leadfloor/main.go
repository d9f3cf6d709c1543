// Command leadfloor takes every sales lead that a car store gets, deals it to the floor as one shared queue and measures what became
// of it. This package reads flags and configuration and introduces the others to one another; it holds no rule of the business.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
