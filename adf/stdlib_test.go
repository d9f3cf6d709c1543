package adf_test

import (
	"bytes"
	"encoding/xml"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"leadfloor/adf"
)

// What follows is ADF 1.0 in the structs of encoding/xml: the anchor of the speed and of the meaning of well-formed documents.
type (
	stdText struct {
		Text       string `xml:",chardata"`
		Status     string `xml:"status,attr"`
		Units      string `xml:"units,attr"`
		Type       string `xml:"type,attr"`
		Currency   string `xml:"currency,attr"`
		Delta      string `xml:"delta,attr"`
		RelativeTo string `xml:"relativeto,attr"`
		Source     string `xml:"source,attr"`
		Sequence   string `xml:"sequence,attr"`
		Limit      string `xml:"limit,attr"`
		Part       string `xml:"part,attr"`
		Time       string `xml:"time,attr"`
		Preferred  string `xml:"preferredcontact,attr"`
		Line       string `xml:"line,attr"`
		Width      string `xml:"width,attr"`
		Height     string `xml:"height,attr"`
		AltText    string `xml:"alttext,attr"`
	}
	stdADF struct {
		Prospects []stdProspect `xml:"prospect"`
	}
	stdProspect struct {
		Status      string       `xml:"status,attr"`
		IDs         []stdID      `xml:"id"`
		RequestDate string       `xml:"requestdate"`
		Vehicles    []stdVehicle `xml:"vehicle"`
		Customer    stdCustomer  `xml:"customer"`
		Vendor      stdVendor    `xml:"vendor"`
		Provider    stdProvider  `xml:"provider"`
	}
	stdID struct {
		Value    string `xml:",chardata"`
		Sequence string `xml:"sequence,attr"`
		Source   string `xml:"source,attr"`
	}
	stdVehicle struct {
		Interest          string      `xml:"interest,attr"`
		Status            string      `xml:"status,attr"`
		IDs               []stdID     `xml:"id"`
		Year              string      `xml:"year"`
		Make              string      `xml:"make"`
		Model             string      `xml:"model"`
		VIN               string      `xml:"vin"`
		Stock             string      `xml:"stock"`
		Trim              string      `xml:"trim"`
		Doors             string      `xml:"doors"`
		BodyStyle         string      `xml:"bodystyle"`
		Transmission      string      `xml:"transmission"`
		Odometers         []stdText   `xml:"odometer"`
		Condition         string      `xml:"condition"`
		ColorCombinations []stdColors `xml:"colorcombination"`
		ImageTags         []stdText   `xml:"imagetag"`
		Prices            []stdText   `xml:"price"`
		PriceComments     string      `xml:"pricecomments"`
		Options           []stdOption `xml:"option"`
		Finance           *stdFinance `xml:"finance"`
		Comments          string      `xml:"comments"`
	}
	stdColors struct {
		Interior   string `xml:"interiorcolor"`
		Exterior   string `xml:"exteriorcolor"`
		Preference string `xml:"preference"`
	}
	stdOption struct {
		Name             string   `xml:"optionname"`
		ManufacturerCode string   `xml:"manufacturercode"`
		Stock            string   `xml:"stock"`
		Weighting        string   `xml:"weighting"`
		Price            *stdText `xml:"price"`
	}
	stdFinance struct {
		Method  string    `xml:"method"`
		Amounts []stdText `xml:"amount"`
		Balance *stdText  `xml:"balance"`
	}
	stdCustomer struct {
		Contacts  []stdContact  `xml:"contact"`
		IDs       []stdID       `xml:"id"`
		Timeframe *stdTimeframe `xml:"timeframe"`
		Comments  string        `xml:"comments"`
	}
	stdTimeframe struct {
		Description  string `xml:"description"`
		EarliestDate string `xml:"earliestdate"`
		LatestDate   string `xml:"latestdate"`
	}
	stdContact struct {
		Primary   string       `xml:"primarycontact,attr"`
		Names     []stdName    `xml:"name"`
		Emails    []stdEmail   `xml:"email"`
		Phones    []stdPhone   `xml:"phone"`
		Addresses []stdAddress `xml:"address"`
	}
	stdName struct {
		Value string `xml:",chardata"`
		Part  string `xml:"part,attr"`
		Type  string `xml:"type,attr"`
	}
	stdEmail struct {
		Value     string `xml:",chardata"`
		Preferred string `xml:"preferredcontact,attr"`
	}
	stdPhone struct {
		Value     string `xml:",chardata"`
		Type      string `xml:"type,attr"`
		Time      string `xml:"time,attr"`
		Preferred string `xml:"preferredcontact,attr"`
	}
	stdAddress struct {
		Type    string `xml:"type,attr"`
		Streets []struct {
			Value string `xml:",chardata"`
			Line  string `xml:"line,attr"`
		} `xml:"street"`
		Apartment  string `xml:"apartment"`
		City       string `xml:"city"`
		RegionCode string `xml:"regioncode"`
		PostalCode string `xml:"postalcode"`
		Country    string `xml:"country"`
	}
	stdVendor struct {
		IDs      []stdID      `xml:"id"`
		Name     string       `xml:"vendorname"`
		URL      string       `xml:"url"`
		Contacts []stdContact `xml:"contact"`
	}
	stdProvider struct {
		IDs      []stdID      `xml:"id"`
		Names    []stdName    `xml:"name"`
		Service  string       `xml:"service"`
		URL      string       `xml:"url"`
		Emails   []stdEmail   `xml:"email"`
		Phones   []stdPhone   `xml:"phone"`
		Contacts []stdContact `xml:"contact"`
	}
)

// unmarshal reads a document with encoding/xml.
func unmarshal(data []byte) (*stdADF, error) {
	var d stdADF
	if err := xml.Unmarshal(bytes.TrimPrefix(data, []byte("\ufeff")), &d); err != nil {
		return nil, err
	}
	return &d, nil
}

func trim(s string) string { return strings.TrimSpace(s) }

func or(s, preset string) string {
	if s = trim(s); s == "" {
		return preset
	}
	return s
}

// each maps the elements of list that have something to say.
func each[S, T any](list []S, f func(S) (T, bool)) (out []T) {
	for _, s := range list {
		if t, ok := f(s); ok {
			out = append(out, t)
		}
	}
	return out
}

// model maps what encoding/xml read to the model, with the DTD's defaults.
func (d *stdADF) model() *adf.Document {
	doc := &adf.Document{}
	for _, p := range d.Prospects {
		q := adf.Prospect{Status: or(p.Status, "new"), IDs: each(p.IDs, stdID.model), RequestDate: trim(p.RequestDate), Vehicles: each(p.Vehicles, stdVehicle.model)}
		q.Customer = adf.Customer{Contacts: each(p.Customer.Contacts, stdContact.model), IDs: each(p.Customer.IDs, stdID.model), Comments: trim(p.Customer.Comments)}
		if t := p.Customer.Timeframe; t != nil {
			tf := adf.Timeframe{Description: trim(t.Description), EarliestDate: trim(t.EarliestDate), LatestDate: trim(t.LatestDate)}
			if tf.Description+tf.EarliestDate+tf.LatestDate != "" {
				q.Customer.Timeframe = &tf
			}
		}
		q.Vendor = adf.Vendor{IDs: each(p.Vendor.IDs, stdID.model), Name: trim(p.Vendor.Name), URL: trim(p.Vendor.URL), Contacts: each(p.Vendor.Contacts, stdContact.model)}
		q.Provider = adf.Provider{IDs: each(p.Provider.IDs, stdID.model), Names: each(p.Provider.Names, stdName.model), Service: trim(p.Provider.Service),
			URL: trim(p.Provider.URL), Emails: each(p.Provider.Emails, stdEmail.model), Phones: each(p.Provider.Phones, stdPhone.model),
			Contacts: each(p.Provider.Contacts, stdContact.model)}
		doc.Prospects = append(doc.Prospects, q)
	}
	return doc
}

func (s stdID) model() (adf.ID, bool) {
	id := adf.ID{Value: trim(s.Value), Sequence: trim(s.Sequence), Source: trim(s.Source)}
	return id, id != adf.ID{}
}

func (s stdName) model() (adf.Name, bool) {
	return adf.Name{Value: trim(s.Value), Part: or(s.Part, "full"), Type: or(s.Type, "individual")}, trim(s.Value) != ""
}

func (s stdEmail) model() (adf.Email, bool) {
	return adf.Email{Value: trim(s.Value), Preferred: s.Preferred == "1"}, trim(s.Value) != ""
}

func (s stdPhone) model() (adf.Phone, bool) {
	return adf.Phone{Value: trim(s.Value), Type: or(s.Type, "voice"), Time: or(s.Time, "nopreference"), Preferred: s.Preferred == "1"}, trim(s.Value) != ""
}

func (s stdContact) model() (adf.Contact, bool) {
	c := adf.Contact{PrimaryContact: trim(s.Primary), Names: each(s.Names, stdName.model), Emails: each(s.Emails, stdEmail.model), Phones: each(s.Phones, stdPhone.model)}
	c.Addresses = each(s.Addresses, func(s stdAddress) (adf.Address, bool) {
		a := adf.Address{Type: trim(s.Type), Apartment: trim(s.Apartment), City: trim(s.City), RegionCode: trim(s.RegionCode), PostalCode: trim(s.PostalCode), Country: trim(s.Country)}
		for _, l := range s.Streets {
			if trim(l.Value) != "" {
				a.Streets = append(a.Streets, adf.Street{Value: trim(l.Value), Line: trim(l.Line)})
			}
		}
		return a, a.Streets != nil || a.Apartment+a.City+a.RegionCode+a.PostalCode+a.Country != ""
	})
	return c, true
}

func (s stdText) price() (adf.Price, bool) {
	p := adf.Price{Value: trim(s.Text), Type: or(s.Type, "quote"), Currency: trim(s.Currency), Delta: trim(s.Delta), RelativeTo: trim(s.RelativeTo), Source: trim(s.Source)}
	return p, p != adf.Price{Type: "quote"}
}

func (s stdVehicle) model() (adf.Vehicle, bool) {
	v := adf.Vehicle{Interest: or(s.Interest, "buy"), Status: or(s.Status, "new"), IDs: each(s.IDs, stdID.model), Year: trim(s.Year), Make: trim(s.Make), Model: trim(s.Model),
		VIN: trim(s.VIN), Stock: trim(s.Stock), Trim: trim(s.Trim), Doors: trim(s.Doors), BodyStyle: trim(s.BodyStyle), Transmission: trim(s.Transmission),
		Condition: trim(s.Condition), PriceComments: trim(s.PriceComments), Comments: trim(s.Comments), Prices: each(s.Prices, stdText.price)}
	v.Odometers = each(s.Odometers, func(s stdText) (adf.Odometer, bool) {
		return adf.Odometer{Value: trim(s.Text), Status: trim(s.Status), Units: trim(s.Units)}, trim(s.Text) != ""
	})
	v.ColorCombinations = each(s.ColorCombinations, func(s stdColors) (adf.ColorCombination, bool) {
		c := adf.ColorCombination{Interior: trim(s.Interior), Exterior: trim(s.Exterior), Preference: trim(s.Preference)}
		return c, c.Interior+c.Exterior+c.Preference != ""
	})
	v.ImageTags = each(s.ImageTags, func(s stdText) (adf.ImageTag, bool) {
		i := adf.ImageTag{URL: trim(s.Text), Width: trim(s.Width), Height: trim(s.Height), AltText: trim(s.AltText)}
		return i, i != adf.ImageTag{}
	})
	v.Options = each(s.Options, func(s stdOption) (adf.Option, bool) {
		o := adf.Option{Name: trim(s.Name), ManufacturerCode: trim(s.ManufacturerCode), Stock: trim(s.Stock), Weighting: trim(s.Weighting)}
		if s.Price != nil {
			if p, ok := s.Price.price(); ok {
				o.Price = &p
			}
		}
		return o, o.Name+o.ManufacturerCode+o.Stock+o.Weighting != "" || o.Price != nil
	})
	if s.Finance != nil {
		f := adf.Finance{Method: trim(s.Finance.Method)}
		f.Amounts = each(s.Finance.Amounts, func(s stdText) (adf.Amount, bool) {
			return adf.Amount{Value: trim(s.Text), Type: or(s.Type, "total"), Limit: or(s.Limit, "maximum"), Currency: trim(s.Currency)}, trim(s.Text) != ""
		})
		if b := s.Finance.Balance; b != nil && trim(b.Text) != "" {
			f.Balance = &adf.Balance{Value: trim(b.Text), Type: or(b.Type, "finance"), Currency: trim(b.Currency)}
		}
		v.Finance = &f
	}
	return v, true
}

// differs compares both readings of a well-formed document.
func differs(t *testing.T, data []byte) {
	t.Helper()
	std, err := unmarshal(data)
	if err != nil {
		t.Fatalf("the document is not well-formed: %v\n%q", err, data)
	}
	got, err := adf.Parse(data)
	if err != nil {
		t.Fatalf("Parse: %v\n%q", err, data)
	}
	if diff := cmp.Diff(std.model(), got, sameDocument); diff != "" {
		t.Fatalf("read (-encoding/xml +leadfloor):\n%s\n%q", diff, data)
	}
}

// TestSameAsStandard reads well-formed documents as encoding/xml does, however they are written.
func TestSameAsStandard(t *testing.T) {
	for seed := range uint64(1500) {
		g := newGenerator(seed)
		differs(t, g.rewrite(t, text(t, g.document())))
	}
}

func FuzzSameAsStandard(f *testing.F) {
	f.Add(uint64(1), "a & b", "it's <b>", "1999")
	f.Add(uint64(2), "\r\n x \t", "]]>", "&#153;")
	f.Fuzz(func(t *testing.T, seed uint64, comments, name, attr string) {
		g := newGenerator(seed)
		d := g.document()
		d.Prospects[0].Customer.Comments = comments
		d.Prospects[0].Customer.Contacts[0].Names[0].Value = name
		d.Prospects[0].IDs[0].Source = attr
		d.Prospects[0].Vehicles[0].Model = name + comments
		differs(t, g.rewrite(t, text(t, d)))
	})
}
