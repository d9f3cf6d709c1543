// Command idlers idles on INBOX of as many accounts as it is told, with bare connections: what a daemon is measured against.
package main

import (
	"fmt"
	"io"
	"log"
	"os"

	"github.com/emersion/go-imap/v2/imapclient"
)

func main() {
	if len(os.Args) < 4 {
		log.Fatal("usage: idlers HOST:PORT PASSWORD USER...")
	}
	for _, user := range os.Args[3:] {
		c, err := imapclient.DialInsecure(os.Args[1], nil)
		if err != nil {
			log.Fatal(err)
		}
		if err := c.Login(user, os.Args[2]).Wait(); err != nil {
			log.Fatal(err)
		}
		if _, err := c.Select("INBOX", nil).Wait(); err != nil {
			log.Fatal(err)
		}
		if _, err := c.Idle(); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println("idle")
	_, _ = io.Copy(io.Discard, os.Stdin) // until whoever started it is done
}
