package adf

import "encoding/binary"

// element is a name of ADF 1.0, or one of the few others that the parser treats on their own. All names are told apart by it, never by their text.
type element uint8

// The elements in the order of the DTD, then what is no element of ADF 1.0.
const (
	elOther element = iota // any name that ADF 1.0 does not know
	elADF
	elProspect
	elID
	elRequestDate
	elVehicle
	elYear
	elMake
	elModel
	elVIN
	elStock
	elTrim
	elDoors
	elBodyStyle
	elTransmission
	elOdometer
	elCondition
	elColorCombination
	elInteriorColor
	elExteriorColor
	elPreference
	elImageTag
	elPrice
	elPriceComments
	elOption
	elOptionName
	elManufacturerCode
	elWeighting
	elFinance
	elMethod
	elAmount
	elBalance
	elComments
	elCustomer
	elTimeframe
	elDescription
	elEarliestDate
	elLatestDate
	elContact
	elName
	elEmail
	elPhone
	elAddress
	elStreet
	elApartment
	elCity
	elRegionCode
	elPostalCode
	elCountry
	elVendor
	elVendorName
	elURL
	elProvider
	elService
	elRoot // what the text as a whole is; has no tag

	elPart    // first, last and the like, sent as elements
	elStatus  // an attribute sent as an element
	elWrapper // an element around others that means nothing
	elBreak   // HTML's br and what else ends a line
	elInline  // other HTML markup inside text
	elSkip    // a comment, a processing instruction, a tag that was dropped: no text
	elCData   // a CDATA section: text as it stands
	elements  // how many there are
)

// known reports whether ADF 1.0 has e.
func (e element) known() bool { return e >= elADF && e <= elService }

// special reports whether e is a piece of text rather than an element.
func (e element) special() bool { return e == elSkip || e == elCData }

// elementNames holds the names of ADF 1.0.
var elementNames = [elements]string{
	elADF: "adf", elProspect: "prospect", elID: "id", elRequestDate: "requestdate", elVehicle: "vehicle", elYear: "year", elMake: "make",
	elModel: "model", elVIN: "vin", elStock: "stock", elTrim: "trim", elDoors: "doors", elBodyStyle: "bodystyle", elTransmission: "transmission",
	elOdometer: "odometer", elCondition: "condition", elColorCombination: "colorcombination", elInteriorColor: "interiorcolor",
	elExteriorColor: "exteriorcolor", elPreference: "preference", elImageTag: "imagetag", elPrice: "price", elPriceComments: "pricecomments",
	elOption: "option", elOptionName: "optionname", elManufacturerCode: "manufacturercode", elWeighting: "weighting", elFinance: "finance",
	elMethod: "method", elAmount: "amount", elBalance: "balance", elComments: "comments", elCustomer: "customer", elTimeframe: "timeframe",
	elDescription: "description", elEarliestDate: "earliestdate", elLatestDate: "latestdate", elContact: "contact", elName: "name",
	elEmail: "email", elPhone: "phone", elAddress: "address", elStreet: "street", elApartment: "apartment", elCity: "city",
	elRegionCode: "regioncode", elPostalCode: "postalcode", elCountry: "country", elVendor: "vendor", elVendorName: "vendorname", elURL: "url",
	elProvider: "provider", elService: "service", elPart: "part", elStatus: "status", elBreak: "br",
}

// variants are other names that senders use for elements of ADF 1.0, and names that the parser treats on their own.
var variants = map[string]element{
	"comment": elComments, "note": elComments, "notes": elComments, "message": elComments, "remarks": elComments,
	"stocknumber": elStock, "stockno": elStock, "mileage": elOdometer, "datetime": elRequestDate, "requestdatetime": elRequestDate,
	"pricecomment": elPriceComments, "identification": elID, "color": elExteriorColor, "colour": elExteriorColor,
	"emailaddress": elEmail, "telephone": elPhone, "phonenumber": elPhone, "cellphone": elPhone, "mobilephone": elPhone, "homephone": elPhone, "workphone": elPhone,
	"state": elRegionCode, "region": elRegionCode, "province": elRegionCode, "zip": elPostalCode, "zipcode": elPostalCode, "postcode": elPostalCode,
	"street1": elStreet, "street2": elStreet, "streetaddress": elStreet, "dealername": elVendorName,
	"first": elPart, "last": elPart, "middle": elPart, "full": elPart, "suffix": elPart, "surname": elPart,
	"firstname": elPart, "lastname": elPart, "middlename": elPart, "fullname": elPart,
	"options": elWrapper, "details": elWrapper,
	"p": elInline, "div": elInline, "li": elInline, "tr": elInline, "b": elInline, "i": elInline, "u": elInline, "a": elInline, "em": elInline,
	"strong": elInline, "span": elInline, "font": elInline, "ul": elInline, "ol": elInline, "td": elInline, "table": elInline, "tbody": elInline,
	"pre": elInline, "img": elInline, "hr": elBreak, "wbr": elInline, "h1": elInline, "h2": elInline, "h3": elInline,
}

// attribute is the name of an attribute of ADF 1.0.
type attribute uint8

const (
	atOther attribute = iota
	atStatus
	atInterest
	atSequence
	atSource
	atUnits
	atType
	atCurrency
	atDelta
	atRelativeTo
	atLimit
	atPart
	atPreferred
	atTime
	atBestTime // the specification's example has it; no table does
	atPrimary
	atLine
	atWidth
	atHeight
	atAltText
	atNamespace // xmlns and whatever has a prefix
	attributes
)

var attributeNames = [attributes]string{
	atStatus: "status", atInterest: "interest", atSequence: "sequence", atSource: "source", atUnits: "units", atType: "type",
	atCurrency: "currency", atDelta: "delta", atRelativeTo: "relativeto", atLimit: "limit", atPart: "part", atPreferred: "preferredcontact",
	atTime: "time", atBestTime: "besttime", atPrimary: "primarycontact", atLine: "line", atWidth: "width", atHeight: "height", atAltText: "alttext",
	atNamespace: "xmlns",
}

// hasAttributes says which attributes ADF 1.0 knows for each element.
var hasAttributes = func() (t [elements]uint32) {
	for e, list := range map[element][]attribute{
		elProspect: {atStatus}, elVehicle: {atInterest, atStatus}, elID: {atSequence, atSource}, elOdometer: {atStatus, atUnits},
		elImageTag: {atWidth, atHeight, atAltText}, elPrice: {atType, atCurrency, atDelta, atRelativeTo, atSource},
		elAmount: {atType, atLimit, atCurrency}, elBalance: {atType, atCurrency}, elContact: {atPrimary}, elName: {atPart, atType},
		elEmail: {atPreferred}, elPhone: {atType, atTime, atPreferred}, elAddress: {atType}, elStreet: {atLine},
	} {
		for _, a := range list {
			t[e] |= 1 << a
		}
	}
	return t
}()

// The values that ADF 1.0 allows, from the specification's tables and the DTD together: where they disagree, either is right.
// Where there is a default it stands first.
var (
	prospectStatuses = []string{"new", "resend"}
	interests        = []string{"buy", "lease", "sell", "trade-in", "test-drive"}
	vehicleStatuses  = []string{"new", "used"}
	odometerStatuses = []string{"", "unknown", "rolledover", "replaced", "original"}
	odometerUnits    = []string{"", "km", "mi", "miles"} // the specification's prose and example say miles, its table and the DTD mi
	priceTypes       = []string{"quote", "offer", "msrp", "invoice", "call", "appraisal", "asking"}
	deltas           = []string{"", "absolute", "relative", "percentage"}
	relativeTos      = []string{"", "msrp", "invoice"}
	amountTypes      = []string{"total", "downpayment", "monthly"}
	limits           = []string{"maximum", "minimum", "exact"}
	balanceTypes     = []string{"finance", "residual"}
	nameParts        = []string{"full", "first", "middle", "last", "surname", "suffix"}
	nameTypes        = []string{"individual", "business"}
	phoneTypes       = []string{"voice", "phone", "cellphone", "fax", "pager"}
	phoneTimes       = []string{"nopreference", "morning", "afternoon", "evening", "day"}
	addressTypes     = []string{"", "work", "home", "delivery"}
	conditions       = []string{"", "excellent", "good", "fair", "poor", "unknown"}
	methods          = []string{"", "cash", "finance", "lease"}
)

// A rule says where in its parent an element stands and how often.
type rule struct {
	child    element
	required bool
	many     bool
}

// content is the order and number of the children of each element that has any: the DTD, with what only the specification has (condition, the
// children of timeframe) added. What the two do not both require is not required.
var content = [elements][]rule{
	elADF: {{elProspect, true, true}},
	elProspect: {{elID, false, true}, {elRequestDate, true, false}, {elVehicle, true, true}, {elCustomer, true, false}, {elVendor, true, false},
		{elProvider, false, false}},
	elVehicle: {{elID, false, true}, {elYear, true, false}, {elMake, true, false}, {elModel, true, false}, {elVIN, false, false},
		{elStock, false, false}, {elTrim, false, false}, {elDoors, false, false}, {elBodyStyle, false, false}, {elTransmission, false, false},
		{elOdometer, false, false}, {elCondition, false, false}, {elColorCombination, false, true}, {elImageTag, false, false},
		{elPrice, false, false}, {elPriceComments, false, false}, {elOption, false, true}, {elFinance, false, false}, {elComments, false, false}},
	elColorCombination: {{elInteriorColor, false, false}, {elExteriorColor, false, false}, {elPreference, true, false}},
	elOption: {{elOptionName, true, false}, {elManufacturerCode, false, false}, {elStock, false, false}, {elWeighting, false, false},
		{elPrice, false, false}},
	elFinance:   {{elMethod, true, false}, {elAmount, true, true}, {elBalance, false, false}},
	elCustomer:  {{elContact, true, false}, {elID, false, true}, {elTimeframe, false, false}, {elComments, false, false}},
	elTimeframe: {{elDescription, false, false}, {elEarliestDate, false, false}, {elLatestDate, false, false}},
	elContact:   {{elName, true, true}, {elEmail, false, true}, {elPhone, false, true}, {elAddress, false, false}},
	elAddress: {{elStreet, true, true}, {elApartment, false, false}, {elCity, false, false}, {elRegionCode, false, false},
		{elPostalCode, false, false}, {elCountry, false, false}},
	elVendor: {{elID, false, true}, {elVendorName, false, false}, {elURL, false, false}, {elContact, false, false}},
	elProvider: {{elID, false, true}, {elName, true, false}, {elService, false, false}, {elURL, false, false}, {elEmail, false, false},
		{elPhone, false, false}, {elContact, false, false}},
}

// A place is a rule in one byte, since the table of all is used for every element: the rank among the siblings from 1, 0 where the parent may not
// have the child, and whether the child is required and may stand there many times.
type place uint8

const (
	placeRank     place = 1<<5 - 1
	placeRequired place = 1 << 5
	placeMany     place = 1 << 6
)

// places is content by parent and child.
var places = func() (t [elements][elements]place) {
	for parent, rules := range content {
		for i, r := range rules {
			pl := place(i + 1)
			if r.required {
				pl |= placeRequired
			}
			if r.many {
				pl |= placeMany
			}
			t[parent][r.child] = pl
		}
	}
	// The printed DTD forbids an email behind a phone, the repaired one does not: both stand on one rank.
	t[elContact][elPhone] = t[elContact][elEmail]
	return t
}()

// required is the children that content requires, by parent.
var required = func() (t [elements]uint64) {
	for parent, rules := range content {
		for _, r := range rules {
			if r.required {
				t[parent] |= 1 << r.child
			}
		}
	}
	return t
}()

// tolerated says which children the parser understands at places where ADF 1.0 does not have them.
var tolerated = func() (t [elements][elements]bool) {
	contact := []element{elName, elPart, elEmail, elPhone, elAddress, elStreet, elApartment, elCity, elRegionCode, elPostalCode, elCountry}
	for parent, list := range map[element][]element{
		elRoot:     {elADF, elProspect},
		elProspect: append([]element{elContact, elTimeframe, elComments, elVendorName, elStatus}, contact...),
		elVehicle:  {elInteriorColor, elExteriorColor, elWrapper, elStatus},
		elCustomer: contact,
		elVendor:   append([]element{elComments}, contact...),
		elProvider: append([]element{elComments}, contact...),
		elContact:  append([]element{elComments, elID, elURL, elPart}, contact...),
		elAddress:  {elURL},
		elName:     {elPart},
		elFinance:  {elComments},
	} {
		for _, e := range list {
			t[parent][e] = true
		}
	}
	return t
}()

// A dictionary finds names of up to maxKey bytes without allocating: an open hash table over the bytes as two numbers, small enough to stay in the
// cache.
type dictionary struct {
	slots   [512]uint8 // indices of entries, from 1
	entries []entry
}

type entry struct {
	lo, hi  uint64
	id      uint8
	variant bool
}

// maxKey is the length of the longest name in a dictionary.
const maxKey = 16

func (d *dictionary) put(name string, id uint8, variant bool) {
	lo, hi := key([]byte(name), 0, len(name))
	d.entries = append(d.entries, entry{lo, hi, id, variant})
	h := hash(lo, hi)
	for d.slots[h] != 0 {
		h = (h + 1) % uint64(len(d.slots))
	}
	d.slots[h] = uint8(len(d.entries))
}

// find returns what stands under the name of this key, which is in lower case; 0 where there is nothing.
func (d *dictionary) find(lo, hi uint64) (id uint8, variant bool) {
	for h := hash(lo, hi); d.slots[h] != 0; h = (h + 1) % uint64(len(d.slots)) {
		if e := &d.entries[d.slots[h]-1]; e.lo == lo && e.hi == hi {
			return e.id, e.variant
		}
	}
	return 0, false
}

// key returns the bytes of s[from:to], maxKey at most, as two numbers. No name has zeros in it, so that none needs its length.
func key(s []byte, from, to int) (lo, hi uint64) {
	n := to - from
	if from+maxKey > len(s) {
		for i := range n {
			if c := uint64(s[from+i]); i < 8 {
				lo |= c << (8 * i)
			} else {
				hi |= c << (8 * (i - 8))
			}
		}
		return lo, hi
	}
	b := s[from : from+maxKey]
	lo = word(b)
	if n < 8 {
		return lo & (1<<(8*n) - 1), 0
	}
	return lo, word(b[8:]) & (1<<(8*(n-8)) - 1)
}

// word returns the first eight bytes of s as a number.
func word(s []byte) uint64 { return binary.LittleEndian.Uint64(s) }

func hash(lo, hi uint64) uint64 {
	return (lo*0x9e3779b97f4a7c15 ^ hi*0xc2b2ae3d27d4eb4f) >> 55
}

var elementDictionary = func() (d dictionary) {
	for e, name := range elementNames {
		if name != "" {
			d.put(name, uint8(e), !element(e).known())
		}
	}
	for name, e := range variants {
		d.put(name, uint8(e), true)
	}
	return d
}()

var attributeDictionary = func() (d dictionary) {
	for a, name := range attributeNames {
		if name != "" {
			d.put(name, uint8(a), false)
		}
	}
	for name, a := range map[string]attribute{
		"unit": atUnits, "prefferedcontact": atPreferred, "preferedcontact": atPreferred, "preferred": atPreferred, "primary": atPrimary,
	} {
		d.put(name, uint8(a), true)
	}
	return d
}()

// maxName is more than any name has whose case is worth a look.
const maxName = 20

// find looks the name s[from:to] up in any case. It reports whether it is a variant of a name of ADF 1.0 and whether its case is wrong.
func find(d *dictionary, s []byte, from, to int) (id uint8, variant, upper bool) {
	if to-from <= maxKey {
		if id, variant = d.find(key(s, from, to)); id != 0 {
			return id, variant, false
		}
	}
	return findUpper(d, s[from:to])
}

func findUpper(d *dictionary, name []byte) (id uint8, variant, upper bool) {
	if len(name) > maxName {
		return 0, false, false
	}
	var lo, hi uint64
	for i := range len(name) {
		c := name[i]
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
			upper = true
		}
		if i < 8 {
			lo |= uint64(c) << (8 * i)
		} else if i < maxKey {
			hi |= uint64(c) << (8 * (i - 8))
		}
	}
	if !upper || len(name) > maxKey {
		return 0, false, upper
	}
	id, variant = d.find(lo, hi)
	return id, variant, upper
}
