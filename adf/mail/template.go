package mail

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// A Template is what is known of one source of text leads, as data. The general reader knows the usual labels; a template names the source,
// vouches that its mail is about leads, and adds what is peculiar to it.
//
// Labels and Lines name fields:
//
//   - customer.name, .first, .middle, .last, .email, .phone, .cellphone, .street, .city, .region, .postal, .country, .id, .comments,
//     .timeframe, .preferred (by mail or by phone), and besttime (to call);
//   - vehicle (year, make and model in one), vehicle.year, .make, .model, .trim, .vin, .stock, .registration, .price, .odometer,
//     .condition, .exterior, .interior, .body, .transmission, .doors, .url; for the one traded in the same under trade;
//   - vendor.name, .id, .phone, .email, .street, .city, .region, .postal, .country, .url, .location;
//   - id and date (the prospect's), service (the provider's), comments (the prospect's), ignore.
//
// A label may also name the last word of a field alone (name, email, price): the section that it stands in then says whose it is. A section
// begins at a label that names section.customer, section.vehicle, section.trade or section.vendor.
type Template struct {
	Name    string            // the source, as the provider's name
	From    []string          // the sender's address: patterns in which * stands for anything, case-blind; one must match
	Subject []string          // likewise for the subject; none: any
	Channel string            // what the mail reports where that is no email, such as phone
	Labels  map[string]string // label, case-blind, without its colon -> field
	Lines   []string          // lines without a label: text in which * stands for anything and {field} for a value
}

// Validate returns every fault of a template: a missing name or sender, a label that no line of a mail can bear or that stands there twice,
// or a field that does not exist.
func (t Template) Validate() error {
	var errs []error
	if t.Name == "" {
		errs = append(errs, errors.New("no name"))
	}
	if len(t.From) == 0 {
		errs = append(errs, errors.New("no sender"))
	}
	first := map[string]string{}
	for _, label := range slices.Sorted(maps.Keys(t.Labels)) {
		f, normal := t.Labels[label], normalLabel(label)
		switch same, twice := first[normal]; {
		case normal == "":
			errs = append(errs, fmt.Errorf("label %.40q: empty, or longer than 60 bytes", label))
		case twice:
			errs = append(errs, fmt.Errorf("label %.40q: the same as %.40q", label, same))
		case strings.HasPrefix(f, "section."):
			if s := strings.TrimPrefix(f, "section."); sections[s] != s {
				errs = append(errs, fmt.Errorf("label %.40q: no section %.40q; want customer, vehicle, trade or vendor", label, s))
			}
		case !isField(f) && !isField(resolve(f, "customer")) && !isField(resolve(f, "vendor")):
			errs = append(errs, fmt.Errorf("label %.40q: no field %.40q; want one such as customer.name, vehicle or ignore", label, f))
		}
		first[normal] = label
	}
	for _, line := range t.Lines {
		for rest := line; ; {
			_, after, ok := strings.Cut(rest, "{")
			if !ok {
				break
			}
			f, next, closed := strings.Cut(after, "}")
			if !closed {
				errs = append(errs, fmt.Errorf("line %.40q: a { without its }", line))
			} else if !isField(f) {
				errs = append(errs, fmt.Errorf("line %.40q: no field %.40q; want one such as customer.name, vehicle or ignore", line, f))
			}
			rest = next
		}
	}
	return errors.Join(errs...)
}

// isField reports whether f is a field that a record can hold.
func isField(f string) bool {
	owner, name, dotted := strings.Cut(f, ".")
	list := "|vehicle|trade|id|date|service|comments|besttime|ignore|"
	if dotted {
		switch owner {
		case "customer":
			list = "|name|first|middle|last|email|phone|cellphone|street|city|region|postal|country|id|comments|timeframe|preferred|"
		case "vehicle", "trade":
			list = "|year|make|model|trim|vin|stock|registration|price|odometer|condition|exterior|interior|body|transmission|doors|url|"
		case "vendor":
			list = "|name|id|phone|email|street|city|region|postal|country|url|location|"
		default:
			return false
		}
		f = name
	}
	return f != "" && !strings.Contains(f, "|") && strings.Contains(list, "|"+f+"|")
}

// builtin are the templates of the sources that write to many stores. One with a subject stands above the general one of its source.
var builtin = []Template{
	{
		Name: "CarGurus", From: []string{"*@cargurus.com", "*@*.cargurus.com", "*@cargurus.ca"}, Subject: []string{"*phone lead*", "*missed call*"}, Channel: "phone",
		Labels: map[string]string{"caller": "customer.name", "call time": "date", "from": "customer.phone"},
	},
	{
		Name: "CarGurus", From: []string{"*@cargurus.com", "*@*.cargurus.com", "*@cargurus.ca"},
		Labels: map[string]string{"listing": "section.vehicle", "seller": "section.vendor", "cargurus instant market value": "ignore", "is from shippable listing": "ignore"},
		Lines:  []string{"lead date: sent by cargurus on {date}."},
	},
	{
		Name: "AutoTrader.ca", From: []string{"*@trader.ca", "*@*.trader.ca", "*@autotrader.ca", "*@*.autotrader.ca"},
		Labels: map[string]string{"location": "vendor.name", "source": "service"},
	},
	{
		Name: "Autotrader", From: []string{"*@autotrader.com", "*@*.autotrader.com"},
		Labels: map[string]string{"shopper reminder": "comments"},
	},
	{Name: "KBB", From: []string{"*@kbb.com", "*@*.kbb.com"}},
	{Name: "Cars.com", From: []string{"*@cars.com", "*@*.cars.com"}},
	{Name: "Auto Trader", From: []string{"*@autotrader.co.uk", "*@*.autotrader.co.uk"}},
	{Name: "CARFAX", From: []string{"*@carfax.com", "*@*.carfax.com", "*@carfax.ca", "*@*.carfax.ca"}},
	{Name: "Edmunds", From: []string{"*@edmunds.com", "*@*.edmunds.com"}},
	{Name: "TrueCar", From: []string{"*@truecar.com", "*@*.truecar.com"}},
	{Name: "Autolist", From: []string{"*@autolist.com", "*@*.autolist.com"}},
	{Name: "Carsforsale.com", From: []string{"*@carsforsale.com", "*@*.carsforsale.com", "*@carsforsalemail.com", "*@*.carsforsalemail.com"}},
	{Name: "OfferUp", From: []string{"*@messages.offerup.com"}},
	{Name: "Gumtree", From: []string{"*@partners.gumtree.com"}},
	{Name: "Car Dealer 5", From: []string{"*@cardealer5.co.uk"}},
	{Name: "CallRail", From: []string{"*@callrail.com", "*@*.callrail.com"}, Channel: "phone", Labels: callLabels},
	{Name: "CallRevu", From: []string{"*@callrevu.com", "*@*.callrevu.com"}, Channel: "phone", Labels: callLabels},
	{Name: "CallSource", From: []string{"*@callsource.com", "*@*.callsource.com"}, Channel: "phone", Labels: callLabels},
	{Name: "Car Wars", From: []string{"*@carwars.com", "*@*.carwars.com"}, Channel: "phone", Labels: callLabels},
	{Name: "Marchex", From: []string{"*@marchex.com", "*@*.marchex.com"}, Channel: "phone", Labels: callLabels},
	{
		Name: "Cazoo", From: []string{"*@cazoo.co.uk", "*@*.cazoo.co.uk"},
		Labels: map[string]string{"new sales lead": "vehicle", "enquiry type": "comments"},
		Lines: []string{
			"{vehicle.registration} listed at {vehicle.price}",
			"call * ( tel:{customer.phone} )*",
			"email * ( {customer.email} )*",
			"view vehicle advert ( {vehicle.url} )*",
		},
	},
}

// callLabels are those of services that give a store a telephone number for each of its advertisements.
var callLabels = map[string]string{"caller name": "customer.name", "from": "customer.phone", "call time": "date", "start time": "date", "call start": "date",
	"company": "vendor.name", "account": "vendor.name", "tracking number": "ignore", "target number": "ignore", "destination number": "ignore", "dialed number": "ignore"}

// withBuiltin returns templates and behind them the built-in ones, all with patterns in lower case, as those are written.
func withBuiltin(templates []Template) []Template {
	if len(templates) == 0 {
		return builtin
	}
	all := slices.Concat(templates, builtin)
	for i := range templates {
		all[i].From, all[i].Subject = lower(all[i].From), lower(all[i].Subject)
	}
	return all
}

func lower(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = strings.ToLower(s)
	}
	return out
}

// match returns the first template for mail from one of the senders; nil where there is none.
func match(templates []Template, senders []string, subject string) *Template {
	senders, subject = lower(senders), strings.ToLower(subject)
	for i := range templates {
		t := &templates[i]
		if anyGlob(t.From, senders...) && (len(t.Subject) == 0 || anyGlob(t.Subject, subject)) {
			return t
		}
	}
	return nil
}

// announcement is what a source calls its mail in a line such as "Lead Submission from CarGurus" or "New Autolist connection".
var announcement = regexp.MustCompile(`(?i)\b(?:lead|inquiry|enquiry|connection|referral|submission|shopper|call)s?\b`)

// announced returns the first template that a line of a text announces by its name; nil where none does. What follows a label's colon is no such line.
func announced(templates []Template, s string) *Template {
	n := 0
	for line := range strings.Lines(s) {
		if n++; n > maxLines {
			break
		}
		line = strings.Trim(line, " \t\r\n*#!.>")
		if len(line) > 80 || !announcement.MatchString(line) || strings.Contains(line, ": ") {
			continue
		}
		for i := range templates {
			t := &templates[i]
			if names(line, t.Name) && (len(t.Subject) == 0 || anyGlob(t.Subject, strings.ToLower(line))) {
				return t
			}
		}
	}
	return nil
}

// names reports whether a name stands in a line as words of its own.
func names(line, name string) bool {
	line, name = strings.ToLower(line), strings.ToLower(name)
	i := strings.Index(line, name)
	return name != "" && i >= 0 && (i == 0 || !isWord(line[i-1])) && (i+len(name) == len(line) || !isWord(line[i+len(name)]))
}

// isWord reports whether a byte belongs to a word, or to the name of a domain.
func isWord(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '.' || c >= 0x80
}

// anyGlob reports whether one of the values matches one of the patterns, all in lower case.
func anyGlob(patterns []string, values ...string) bool {
	for _, v := range values {
		for _, p := range patterns {
			if glob(p, v) {
				return true
			}
		}
	}
	return false
}

// glob matches s against a pattern in which * stands for anything.
func glob(pattern, s string) bool {
	last := strings.LastIndexByte(pattern, '*')
	if last < 0 {
		return s == pattern
	}
	s, ok := strings.CutSuffix(s, pattern[last+1:]) // the domain, in which most differ
	if !ok {
		return false
	}
	first, rest, more := strings.Cut(pattern[:last], "*")
	s, ok = strings.CutPrefix(s, first)
	for ok && more {
		var next string
		next, rest, more = strings.Cut(rest, "*")
		_, s, ok = strings.Cut(s, next)
	}
	return ok
}

// capture matches a line against one of Template.Lines and returns the values of its fields; nil where it does not match.
func capture(pattern, line string) map[string]string {
	values := map[string]string{}
	var fieldName string
	wild := false // what is in front of the next literal is free
	for {
		i := strings.IndexAny(pattern, "*{")
		literal := pattern
		if i >= 0 {
			literal = pattern[:i]
		}
		at := -1
		switch {
		case !wild:
			if len(line) >= len(literal) && strings.EqualFold(line[:len(literal)], literal) {
				at = 0
			}
		case literal == "":
			at = len(line)
		case i < 0: // the end of both
			if n := len(line) - len(literal); n >= 0 && strings.EqualFold(line[n:], literal) {
				at = n
			}
		default:
			at = strings.Index(strings.ToLower(line), strings.ToLower(literal))
		}
		if at < 0 || at > len(line) || !wild && i < 0 && len(line) != len(literal) {
			return nil
		}
		if fieldName != "" {
			values[fieldName] = strings.TrimSpace(line[:at])
		}
		if i < 0 {
			return values
		}
		line = line[min(len(line), at+len(literal)):]
		fieldName, wild = "", true
		if pattern[i] == '{' {
			name, rest, ok := strings.Cut(pattern[i+1:], "}")
			if !ok {
				return nil
			}
			fieldName, pattern = name, rest
		} else {
			pattern = pattern[i+1:]
		}
	}
}
