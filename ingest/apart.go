package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"

	"leadfloor/adf/mail"
)

// Apart has a process of its own do what WorkApart does, and gives what it wrote. The error is a DiedError where that process died over
// the message; any other says nothing about the message.
type Apart func(ctx context.Context, job []byte) (answer []byte, err error)

// A DiedError says that a process died over the message that it read.
type DiedError struct {
	How   string // as the operating system or the process put it
	Stack []byte // what it wrote about where it was; it may quote the message
}

func (e *DiedError) Error() string { return "the process that read it died: " + e.How }

// apartJob is everything that can go wrong over the bytes of one message: it is read, and whoever vouches for it is looked for.
type apartJob struct {
	Raw     []byte
	Options mail.Options
	Doubt   bool
	Server  string // as in Trust
}

type apartAnswer struct {
	Mail  *mail.Mail
	Doubt string
}

// WorkApart is the work of the process that reads a message apart: it reads one job, and writes what it read. It may take any amount of
// time and memory, or never come back; who runs it has to see to that.
func WorkApart(ctx context.Context, in io.Reader, out io.Writer) error {
	var job apartJob
	if err := json.NewDecoder(in).Decode(&job); err != nil {
		return errors.New("read the job: it is none") // the cause may quote it
	}
	answer := apartAnswer{Mail: Read(job.Raw, job.Options, Locale{}).Mail}
	if job.Doubt {
		answer.Doubt = mail.Doubt(ctx, job.Raw, job.Server, mail.NewKeys(net.DefaultResolver.LookupTXT))
	}
	if err := json.NewEncoder(out).Encode(answer); err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	return nil
}

// readApart reads a message at whose reading several processes ended. That may have been by chance, so nothing is held against it until
// it is the end of a process that did nothing else.
func (d *delivery) readApart(ctx context.Context) (r *Reading, fault string, err error) {
	t := &d.feed.Trust
	job, err := json.Marshal(apartJob{
		Raw: d.msg.Raw, Options: d.cfg.Options, Doubt: d.release == nil && t.checks(), Server: t.Server,
	})
	if err != nil {
		return nil, "", fmt.Errorf("read apart: %w", err)
	}
	said, err := d.cfg.Apart(ctx, job)
	if died := (*DiedError)(nil); errors.As(err, &died) {
		d.log.Error("the message was the end of a process of its own; it is quarantined", "place", d.place, "how", died.How, "stack", frames(died.Stack))
		return nil, reasonDied, nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("read apart: %w", err)
	}
	var answer apartAnswer
	if json.Unmarshal(said, &answer) != nil || answer.Mail == nil {
		return nil, "", errors.New("read apart: the answer is none")
	}
	d.apart = &answer
	r = &Reading{Kind: answer.Mail.Kind, Diagnostics: answer.Mail.Diagnostics, Mail: answer.Mail}
	for i := range answer.Mail.Prospects {
		r.Leads = append(r.Leads, enquiry(&answer.Mail.Prospects[i], d.locale()))
	}
	return r, "", nil
}
