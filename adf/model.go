package adf

// Document is what was read from one ADF document, or from a text that holds several.
type Document struct {
	Prospects   []Prospect
	Extra       []Element    // elements beside the prospects that ADF 1.0 does not know
	Diagnostics []Diagnostic // every repair and every departure from ADF 1.0, in document order
}

// Prospect is one lead (ADF 1.0 specification, "prospect").
type Prospect struct {
	Status      string // new or resend; new where the attribute is absent
	IDs         []ID
	RequestDate string // as written; see ParseDate
	Vehicles    []Vehicle
	Customer    Customer
	Vendor      Vendor
	Provider    Provider
	Comments    string    // not in ADF 1.0, often sent
	Extra       []Element // unknown elements, kept in order
	Line        int       // where <prospect> stands, from 1
}

// ID is an identifier and who gave it.
type ID struct {
	Value    string
	Sequence string // as written, usually 1 to n
	Source   string
}

// Vehicle is one vehicle of interest, or one traded in; Interest tells which.
type Vehicle struct {
	Interest          string // buy, lease, sell, trade-in, test-drive; buy where absent
	Status            string // new or used; new where absent
	IDs               []ID
	Year              string
	Make              string
	Model             string
	VIN               string
	Stock             string
	Trim              string
	Doors             string
	BodyStyle         string
	Transmission      string
	Odometers         []Odometer
	Condition         string // excellent, good, fair, poor, unknown
	ColorCombinations []ColorCombination
	ImageTags         []ImageTag
	Prices            []Price
	PriceComments     string
	Options           []Option
	Finance           *Finance
	Comments          string
	Extra             []Element
}

// Odometer is a reading as written.
type Odometer struct {
	Value  string
	Status string // unknown, rolledover, replaced, original
	Units  string // km or mi
}

// ColorCombination is a wanted pair of colours; Preference 1 is the favourite.
type ColorCombination struct {
	Interior   string
	Exterior   string
	Preference string
	Extra      []Element
}

// ImageTag is the address of a picture.
type ImageTag struct {
	URL     string
	Width   string
	Height  string
	AltText string
}

// Price is an amount as written and how it is meant.
type Price struct {
	Value      string
	Type       string // quote, offer, msrp, invoice, call, appraisal, asking; quote where absent
	Currency   string // ISO 4217
	Delta      string // absolute, relative, percentage
	RelativeTo string // msrp or invoice
	Source     string
}

// Option is one piece of equipment.
type Option struct {
	Name             string
	ManufacturerCode string
	Stock            string
	Weighting        string // -100 to +100
	Price            *Price
	Extra            []Element
}

// Finance is how the customer means to pay.
type Finance struct {
	Method  string // cash, finance, lease
	Amounts []Amount
	Balance *Balance
	Extra   []Element
}

// Amount is one figure of a Finance.
type Amount struct {
	Value    string
	Type     string // downpayment, monthly, total; total where absent
	Limit    string // maximum, minimum, exact; maximum where absent
	Currency string
}

// Balance is what is left to pay on a trade-in.
type Balance struct {
	Value    string
	Type     string // finance or residual; finance where absent
	Currency string
}

// Customer is who asks. Contacts beyond the first are co-buyers.
type Customer struct {
	Contacts  []Contact
	IDs       []ID
	Timeframe *Timeframe
	Comments  string
	Extra     []Element
}

// Timeframe is when the customer means to buy.
type Timeframe struct {
	Description  string
	EarliestDate string
	LatestDate   string
	Extra        []Element
}

// Contact is one person or firm.
type Contact struct {
	PrimaryContact string // 0 or 1, as written; empty where absent
	Names          []Name
	Emails         []Email
	Phones         []Phone
	Addresses      []Address
	Comments       string // not in ADF 1.0
	Extra          []Element
}

// Name is a name or a part of one.
type Name struct {
	Value string
	Part  string // first, middle, last, surname, suffix, full; full where absent
	Type  string // individual or business; individual where absent
}

// Email is a mail address as written.
type Email struct {
	Value     string
	Preferred bool
}

// Phone is a number as written.
type Phone struct {
	Value     string
	Type      string // voice (phone), fax, cellphone, pager; voice where absent
	Time      string // morning, afternoon, evening, nopreference, day; nopreference where absent
	Preferred bool
}

// Address is a postal address.
type Address struct {
	Type       string // work, home, delivery
	Streets    []Street
	Apartment  string
	City       string
	RegionCode string
	PostalCode string
	Country    string
	Extra      []Element
}

// Street is one line of an address.
type Street struct {
	Value string
	Line  string // 1 to 5, as written
}

// Vendor is the store that the lead is for.
type Vendor struct {
	IDs      []ID
	Name     string // vendorname
	URL      string
	Contacts []Contact
	Extra    []Element
}

// Provider is who sent the lead.
type Provider struct {
	IDs      []ID
	Names    []Name
	Service  string
	URL      string
	Emails   []Email
	Phones   []Phone
	Contacts []Contact
	Extra    []Element
}

// Element is one that ADF 1.0 does not know, or not at this place, kept whole.
type Element struct {
	Name     string // as written, without prefix, _ for what XML has in no name; empty for text that stood between elements
	Attrs    []Attr
	Text     string // its character data
	Children []Element
}

// Attr is one attribute of an Element.
type Attr struct {
	Name, Value string
}
