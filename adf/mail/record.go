package mail

import (
	"cmp"
	"strings"

	"leadfloor/adf"
)

// A record is one lead under construction.
type record struct {
	values map[string]string // by field, the first of each
	rest   []string          // labelled lines without a field
	headed bool              // a heading announced the customer
	wanted string            // the vehicle of a sentence without a label
}

func reachable(v map[string]string) bool {
	return v["customer.email"] != "" || v["customer.phone"] != "" || v["customer.cellphone"] != ""
}

// signs reports whether a record speaks of a vehicle or asks something.
func signs(v map[string]string) bool {
	for _, f := range []string{"vehicle", "vehicle.make", "vehicle.model", "vehicle.vin", "vehicle.stock", "vehicle.registration", "trade", "trade.make", "trade.model", "trade.vin", "customer.comments"} {
		if v[f] != "" {
			return true
		}
	}
	return false
}

// leads returns the records that are leads, and how much they say.
func (r *reader) leads() ([]adf.Prospect, int) {
	if r.against >= 3 || r.against == 2 && r.template == nil {
		return nil, 0
	}
	var list []adf.Prospect
	score := 0
	for i := range r.records {
		v := r.records[i].values
		r.dropOthers(v)
		if !reachable(v) || r.evidence(&r.records[i]) < 2 {
			continue
		}
		list = append(list, r.prospect(&r.records[i]))
		score += len(v)
	}
	return list, score
}

// evidence counts what speaks for a lead beside somebody who can be reached: that they are named or announced, that they ask or a vehicle
// is named, that the mail calls itself a lead, and that a known source sent it, which counts twice where it told by its subject that this is a lead.
func (r *reader) evidence(rec *record) int {
	n := 0
	if v := rec.values; rec.headed || v["customer.name"]+v["customer.first"]+v["customer.last"] != "" {
		n++
	}
	if signs(rec.values) {
		n++
	}
	if r.template != nil {
		n += min(2, 1+len(r.template.Subject))
	} else if saysLead(r.header.Subject) || r.announced {
		n++
	}
	return n
}

// dropOthers removes what reaches somebody else than the customer: the store, the sender, an address that takes no answers.
func (r *reader) dropOthers(v map[string]string) {
	if e := strings.ToLower(v["customer.email"]); e != "" {
		local, _, _ := strings.Cut(e, "@")
		drop := isNoReply(local) || strings.EqualFold(e, v["vendor.email"]) || r.template != nil && anyGlob(r.template.From, e)
		for _, list := range [][]Address{r.header.To, r.header.Cc} {
			for _, a := range list {
				drop = drop || strings.EqualFold(a.Address, e)
			}
		}
		for _, a := range r.header.DeliveredTo {
			drop = drop || strings.EqualFold(a, e)
		}
		for _, a := range r.header.From {
			// Many web forms write in the visitor's own name: then name and question stand beside the address.
			form := v["customer.name"]+v["customer.first"] != "" && signs(v)
			drop = drop || strings.EqualFold(a.Address, e) && !form
		}
		if drop {
			delete(v, "customer.email")
		}
	}
	for _, f := range []string{"customer.phone", "customer.cellphone"} {
		if v[f] != "" && v[f] == v["vendor.phone"] {
			delete(v, f)
		}
	}
}

// prospect makes an ADF prospect of a record, so that all that follows knows one form.
func (r *reader) prospect(rec *record) adf.Prospect {
	v := rec.values
	p := adf.Prospect{Status: "new", RequestDate: v["date"], Comments: v["comments"]}
	source := r.source(v)
	if source != "" {
		p.Provider.Names = []adf.Name{{Value: source, Part: "full", Type: "business"}}
	}
	if p.Provider.Service = v["service"]; source == p.Provider.Service {
		p.Provider.Service = ""
	}
	if v["id"] != "" {
		p.IDs = []adf.ID{{Value: v["id"], Source: source}}
	}
	c := contact(v, "customer.")
	if best := strings.ToLower(v["customer.preferred"]); best != "" {
		mail := strings.Contains(best, "mail")
		for i := range c.Emails {
			c.Emails[i].Preferred = mail
		}
		if len(c.Phones) > 0 && !mail {
			c.Phones[0].Preferred = strings.Contains(best, "phone") || strings.Contains(best, "call") || strings.Contains(best, "text") || strings.Contains(best, "sms") || strings.Contains(best, "mobile")
		}
	}
	for i := range c.Phones {
		c.Phones[i].Time = phoneTime(v["besttime"])
	}
	p.Customer.Contacts = []adf.Contact{c}
	p.Customer.Comments = v["customer.comments"]
	if v["customer.id"] != "" {
		p.Customer.IDs = []adf.ID{{Value: v["customer.id"]}}
	}
	if v["customer.timeframe"] != "" {
		p.Customer.Timeframe = &adf.Timeframe{Description: v["customer.timeframe"]}
	}
	if _, ok := v["vehicle"]; !ok {
		if title, stock := vehicleInURL(v["vehicle.url"]); title != "" && v["vehicle.make"]+v["vehicle.model"] == "" {
			v["vehicle"] = title
			if v["vehicle.stock"] == "" {
				v["vehicle.stock"] = stock
			}
		}
	}
	if v["vehicle"]+v["vehicle.make"]+v["vehicle.model"] == "" {
		v["vehicle"] = cmp.Or(rec.wanted, vehicleIn(v["customer.comments"]))
	}
	for _, prefix := range []string{"vehicle", "trade"} {
		if car, ok := vehicle(v, prefix); ok {
			p.Vehicles = append(p.Vehicles, car)
		}
	}
	p.Vendor.Name, p.Vendor.URL = v["vendor.name"], v["vendor.url"]
	if v["vendor.id"] != "" {
		p.Vendor.IDs = []adf.ID{{Value: v["vendor.id"]}}
	}
	if c := contact(v, "vendor."); len(c.Emails)+len(c.Phones)+len(c.Addresses) > 0 {
		c.Names = nil
		p.Vendor.Contacts = []adf.Contact{c}
	}
	if len(rec.rest) > 0 {
		p.Comments = strings.TrimSpace(p.Comments + "\n" + strings.Join(rec.rest, "\n"))
	}
	return p
}

// source names the provider: the template's name, else the sender's domain; in a text without a header the source that it names itself, or the
// site whose form it was.
func (r *reader) source(v map[string]string) string {
	if r.template != nil {
		return r.template.Name
	}
	for _, a := range r.header.From {
		if _, domain, ok := strings.Cut(a.Address, "@"); ok {
			return strings.ToLower(domain)
		}
	}
	if v["service"] != "" {
		return v["service"]
	}
	if site := linkForm.FindStringSubmatch(v["vehicle.url"]); site != nil {
		return strings.TrimPrefix(strings.ToLower(site[1]), "www.")
	}
	return ""
}

func contact(v map[string]string, prefix string) adf.Contact {
	var c adf.Contact
	if v[prefix+"first"] != "" && v[prefix+"last"] == "" && !strings.Contains(v[prefix+"name"], " ") && v[prefix+"name"] != v[prefix+"first"] {
		v[prefix+"last"], v[prefix+"name"] = v[prefix+"name"], "" // where a name means the family's
	}
	for _, n := range [][2]string{{"name", "full"}, {"first", "first"}, {"middle", "middle"}, {"last", "last"}} {
		if s := v[prefix+n[0]]; s != "" {
			c.Names = append(c.Names, adf.Name{Value: s, Part: n[1], Type: "individual"})
		}
	}
	if s := v[prefix+"email"]; s != "" {
		c.Emails = []adf.Email{{Value: s}}
	}
	for _, n := range [][2]string{{"phone", "voice"}, {"cellphone", "cellphone"}} {
		if s := v[prefix+n[0]]; s != "" {
			c.Phones = append(c.Phones, adf.Phone{Value: s, Type: n[1], Time: "nopreference"})
		}
	}
	a := adf.Address{City: v[prefix+"city"], RegionCode: v[prefix+"region"], PostalCode: v[prefix+"postal"], Country: v[prefix+"country"]}
	for _, f := range []string{"street", "location"} {
		if s := v[prefix+f]; s != "" {
			a.Streets = append(a.Streets, adf.Street{Value: s})
		}
	}
	if len(a.Streets) > 0 || a.City+a.RegionCode+a.PostalCode+a.Country != "" {
		c.Addresses = []adf.Address{a}
	}
	return c
}

// phoneTime returns the specification's word for the best time to call.
func phoneTime(s string) string {
	s = strings.ToLower(s)
	for _, t := range []string{"morning", "afternoon", "evening", "day"} {
		if strings.Contains(s, t) {
			return t
		}
	}
	return "nopreference"
}
