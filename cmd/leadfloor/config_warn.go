package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/common/model"

	"leadfloor/ingest"
	"leadfloor/ingest/mailbox"
)

// manyTargets is how many different response targets make the histograms worth a thought: each is a bucket of all of them.
const manyTargets = 10

// Warnings says in plain sentences what is allowed and probably not meant, in the order of the file.
func (c *Config) Warnings() (all []string) {
	warn := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if c.Listen == "" {
		warn("listen is not set: no pages, no API and no metrics")
	}
	if c.SMTP != nil {
		warn("smtp does nothing yet: leadfloor sends no mail")
	}
	if c.Redis.WaitReplicas == 0 && c.Redis.Sentinel != nil {
		warn("redis.wait_replicas is 0: when the sentinels fail over, the last leads decided can be lost")
	}
	for _, t := range c.Auth.Tokens {
		if t.Role == roleSalesperson && t.Person == "" {
			warn("token %s: it is a salesperson's and names no person, so it is bound to nobody", t.Name)
		}
	}
	for i := range c.Mailboxes {
		c.Mailboxes[i].warnings(warn)
	}
	targets := map[int64]bool{}
	for i := range c.Stores {
		c.Stores[i].warnings(c, warn)
		targets[int64(c.Stores[i].Routing.ResponseTarget)] = true
	}
	if len(targets) > manyTargets {
		warn("the stores have %d different response targets: each is a bucket of every histogram of every store", len(targets))
	}
	return all
}

func (s *StoreConfig) warnings(c *Config, warn func(string, ...any)) {
	for i := range s.Mailboxes {
		s.Mailboxes[i].warnings(warn)
	}
	if s.Hours == nil {
		warn("store %s: no hours: it counts as always open", s.ID)
	}
	if len(s.Managers) == 0 {
		warn("store %s: no managers: %s, the first on the roster, holds leads while nobody is on", s.ID, s.Roster[0].ID)
	}
	mail := map[string]string{}
	for _, list := range [][]PersonConfig{s.Managers, s.Roster} {
		for _, p := range list {
			if other, ok := mail[p.Email]; ok && p.Email != "" && other != p.ID {
				warn("store %s: %s and %s have the same email: an answer from it is nobody's in particular", s.ID, other, p.ID)
			}
			mail[p.Email] = p.ID
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Desks)) {
		if owner := s.Desks[name].Owner; !s.employs(owner) {
			warn("store %s: desk %s goes to %s, who is neither a manager nor on the roster: only the id is known", s.ID, name, owner)
		}
	}
	for _, source := range append([]string{""}, slices.Sorted(maps.Keys(s.Routing.BySource))...) {
		rules, of := s.Routing.Pace(source), "leads"
		if rules.ReassignAfter == 0 {
			continue
		}
		if source != "" {
			if rules == s.Routing.Pace("") {
				continue // said of all
			}
			of = "leads from " + source
		}
		if !c.seesAnswers() {
			warn("store %s: %s are dealt again after %s, and there is no way to see that people answered: give out tokens, so that answers are logged, or leave reassign_after off",
				s.ID, of, model.Duration(rules.ReassignAfter))
		}
		if rules.WarnAfter >= rules.ReassignAfter {
			warn("store %s: warn_after comes no sooner than reassign_after for %s: nobody is warned before the lead goes", s.ID, of)
		}
	}
	if s.Duplicates.ActiveWithin > s.Duplicates.CreatedWithin {
		warn("store %s: duplicates.active_within is longer than created_within, which ends a lead sooner", s.ID)
	}
	if s.Notify != nil {
		warn("store %s: notify does nothing yet", s.ID)
	}
	if s.Forward != nil {
		warn("store %s: forward does nothing yet", s.ID)
	}
}

func (m *MailboxConfig) warnings(warn func(string, ...any)) {
	if m.Role == mailboxConversation {
		warn("mailbox %s: conversation mailboxes are not read yet: answers have to be logged", m.Name)
	}
	if m.SentFolder != "" {
		warn("mailbox %s: sent_folder is not watched yet: answers have to be logged", m.Name)
	}
	switch off := m.Trust.Authentication == string(ingest.Off); {
	case off && m.Trust.AuthservID != "":
		warn("mailbox %s: trust.authserv_id does nothing while trust.authentication is off", m.Name)
	case off && m.Trust.Limit.Per > 0 && len(m.Trust.From) > 0:
		warn("mailbox %s: trust.limit does not hold for whoever writes a sender of trust.from into the mail: set trust.authentication", m.Name)
	case off && len(m.Trust.Salesperson) > 0:
		warn("mailbox %s: whoever writes a source of trust.salesperson into a mail says who gets the lead: set trust.authentication", m.Name)
	}
	if m.Start == mailbox.All && m.Role == mailboxLeads {
		warn("mailbox %s: start is all: every lead in the folder is dealt, however old", m.Name)
	}
}

// Trusts says in plain sentences what becomes of leads from senders who are not trusted, for each mailbox that asks something of them.
func (c *Config) Trusts() (all []string) {
	add := func(boxes []MailboxConfig) {
		for i := range boxes {
			if s := boxes[i].Trust.String(); s != "" {
				all = append(all, fmt.Sprintf("mailbox %s: %s", boxes[i].Name, s))
			}
		}
	}
	add(c.Mailboxes)
	for i := range c.Stores {
		add(c.Stores[i].Mailboxes)
	}
	return all
}

// String says what t does, nothing where it asks nothing of anybody.
func (t *TrustConfig) String() string {
	witness := "no signature of the sender's domain vouches"
	if t.AuthservID != "" {
		witness = fmt.Sprintf("neither a signature of the sender's domain nor the mail server (%s) vouches", t.AuthservID)
	}
	var parts []string
	switch ingest.Authentication(t.Authentication) {
	case ingest.Require:
		parts = append(parts, "a lead for which "+witness+" is held")
	case ingest.Warn:
		parts = append(parts, "a lead for which "+witness+" is dealt, counted and logged")
	}
	if t.Limit.Per > 0 {
		who := "one sender"
		if len(t.From) > 0 {
			who += " outside trust.from"
		}
		parts = append(parts, fmt.Sprintf("of %s more than %d mails with leads in %s are held", who, t.Limit.Messages, model.Duration(t.Limit.Per)))
	}
	if len(t.Salesperson) > 0 {
		parts = append(parts, fmt.Sprintf("a lead from %s goes to the salesperson whom it names, who is charged a turn", several(t.Salesperson)))
	}
	return strings.Join(parts, "; ")
}

// seesAnswers says whether anything is set up by which people's answers come to be known.
func (c *Config) seesAnswers() bool {
	return len(c.Auth.Tokens) > 0
}
