package ingest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"leadfloor/adf/mail"
	"leadfloor/ingest"
)

// apartly hands over a mail that was in hand when processes ended.
func (h *house) apartly(raw string) (ingest.Fate, error) {
	h.t.Helper()
	h.uid++
	return h.Handle(context.Background(), ingest.Message{
		Place: ingest.Place{Mailbox: "leads", UIDValidity: 1, UID: h.uid}, Arrived: h.clock.Now(), Raw: []byte(raw), Apart: true,
	})
}

// work does the other process' work in this one.
func work(ctx context.Context, job []byte) ([]byte, error) {
	var out bytes.Buffer
	err := ingest.WorkApart(ctx, bytes.NewReader(job), &out)
	return out.Bytes(), err
}

func TestApart(t *testing.T) {
	var say ingest.Apart = work
	asked := 0
	h := newHouse(t, func(c *ingest.Config) {
		c.Apart = func(ctx context.Context, job []byte) ([]byte, error) {
			asked++
			return say(ctx, job)
		}
	})
	fate, err := h.apartly(leadMail(1))
	if fate != ingest.FateLead || err != nil || asked != 1 {
		t.Errorf("fate = %q, %v after %d processes, want a lead after one", fate, err, asked)
	}
	if fate := h.deliver(leadMail(1)); fate != ingest.FateReplay || asked != 1 {
		t.Errorf("fate = %q after %d processes, want the same message read here", fate, asked)
	}
	if fate, err := h.apartly("From: a@example.com\nSubject: hello\n\nhello\n"); fate != ingest.FateOther || err != nil {
		t.Errorf("fate = %q, %v, want other", fate, err)
	}

	say = func(context.Context, []byte) ([]byte, error) { return nil, errors.New("no process can be started") }
	if fate, err := h.apartly(leadMail(2)); err == nil {
		t.Errorf("fate = %q, want that nobody knows", fate)
	}
	say = func(context.Context, []byte) ([]byte, error) { return []byte("{}"), nil }
	if fate, err := h.apartly(leadMail(2)); err == nil {
		t.Errorf("fate = %q, want that nobody knows", fate)
	}
	say = func(context.Context, []byte) ([]byte, error) {
		return nil, &ingest.DiedError{How: "exit status 2", Stack: []byte("panic: jane@example.com\n\ngoroutine 1 [running]:\nleadfloor/adf.Parse(0x1)\n\t/src/adf/parse.go:1\n")}
	}
	if fate, err := h.apartly(leadMail(2)); fate != ingest.FateQuarantined || err != nil {
		t.Errorf("fate = %q, %v, want that its death quarantines it", fate, err)
	}
	if log := h.log.String(); !strings.Contains(log, "leadfloor/adf.Parse") || strings.Contains(log, "jane") {
		t.Errorf("log = %s, want where it died and nothing of the message", log)
	}
	parked, err := h.router.Parked(t.Context(), "ford", true, 10)
	if err != nil || len(parked) != 1 || parked[0].Reason != "reader-died" {
		t.Fatalf("quarantined = %+v, %v, want it with its reason", parked, err)
	}

	// It is released by the same way, so that whoever tries it too early does not die over it.
	var held *ingest.HeldError
	if _, err := h.Release(t.Context(), "ford", parked[0].ID, "mia", ""); !errors.As(err, &held) || held.Reason != "reader-died" {
		t.Errorf("Release = %v, want that it stays held", err)
	}
	say = work
	if out, err := h.Release(t.Context(), "ford", parked[0].ID, "mia", ""); err != nil || len(out.Taken) != 1 {
		t.Errorf("Release = %+v, %v, want its lead after the mend", out, err)
	}
}

// What vouches for a sender is looked for by the other process too.
func TestApartDoubts(t *testing.T) {
	h, _ := trusting(t, ingest.Trust{Authentication: ingest.Require, Server: "mx.example.com"})
	cfg := ingest.Config{
		Mailboxes: map[string]ingest.Feed{"leads": {Store: "ford", Trust: ingest.Trust{Authentication: ingest.Require, Server: "mx.example.com"}}},
		Stores:    map[string]ingest.Rules{"ford": {}}, Apart: work,
	}
	h.Configure(cfg)
	vouched := "Authentication-Results: mx.example.com; dmarc=pass header.from=autotrader.example\n"
	if fate, err := h.apartly(vouched + leadMail(1)); fate != ingest.FateLead || err != nil {
		t.Errorf("fate = %q, %v, want a lead", fate, err)
	}
	if fate, err := h.apartly(leadMail(2)); fate != ingest.FateQuarantined || err != nil {
		t.Errorf("fate = %q, %v, want it held", fate, err)
	}
}

// Another process reads what this one does: nothing is lost on the way.
func TestApartReadsTheSame(t *testing.T) {
	files, err := filepath.Glob("../adf/mail/testdata/*/*.eml")
	if more, _ := filepath.Glob("../adf/mail/testdata/*.eml"); err == nil {
		files = append(files, more...)
	}
	if len(files) < 10 || err != nil {
		t.Fatalf("mails to read = %d, %v", len(files), err)
	}
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		job, err := json.Marshal(map[string]any{"Raw": raw})
		if err != nil {
			t.Fatal(err)
		}
		said, err := work(t.Context(), job)
		if err != nil {
			t.Fatal(err)
		}
		var got struct{ Mail *mail.Mail }
		if err := json.Unmarshal(said, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(got.Mail, mail.Read(raw, mail.Options{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-got +want):\n%s", name, diff)
		}
	}
	if err := ingest.WorkApart(t.Context(), strings.NewReader("jane"), &bytes.Buffer{}); err == nil || strings.Contains(err.Error(), "jane") {
		t.Errorf("WorkApart = %v, want an error that quotes nothing", err)
	}
}
