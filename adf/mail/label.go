package mail

import "strings"

// labels maps a label, as normalLabel writes it, to its field. A field without a dot belongs to whom the section or a word of the label
// says (see resolve). Prefixes such as "your" or "dealer" are taken off before (see lookup).
var labels = expand(map[string]string{
	"person": "customer|buyer|shopper|client|contact|applicant|visitor|guest|consumer|customer contact|enquirer|caller",
	"name":   "name|full name|fullname|first and last name|first last name|contact name|complete name|nom|nom complet|nombre|nombre completo",
	"first":  "first name|firstname|first|given name|forename|fname|prénom|prenom|primer nombre|vorname",
	"middle": "middle name|middlename|middle|middle initial",
	"last":   "last name|lastname|last|surname|family name|lname|nom de famille|apellido|apellidos|nachname",
	"email": "email|e mail|email address|e mail address|emailaddress|mail|mail address|email id|preferred email|courriel|" +
		"adresse courriel|correo|correo electrónico|correo electronico",
	"phone": "phone|telephone|tel|phone number|telephone number|phone no|telephone no|phonenumber|contact number|contact no|" +
		"contact phone|daytime phone|day phone|evening phone|home phone|work phone|primary phone|best phone|best number|phone 1|" +
		"téléphone|numéro de téléphone|callback number|preferred phone|preferred phone number|call back number|caller id|" +
		"caller number|caller phone|number|teléfono|telefono|telefon|rufnummer",
	"cell":   "cell|cell phone|cellphone|mobile|mobile phone|mobile number|cell number|mobile no|cell phone number|mobile phone number|celular|móvil|movil|handy|mobil",
	"street": "address|street|street address|dirección|direccion|adresse|address 1|address line 1|mailing address|postal address|home address",
	"city":   "city|town|suburb|ville|ciudad|ort",
	"region": "state|province|region|county|state province|province state",
	"postal": "zip|zip code|zipcode|postal code|postcode|post code|postal|zip postal code|zip postal|postal zip|postal zip code|" +
		"code postal|código postal|codigo postal|plz|postleitzahl",
	"country": "country",

	"customer.id": "customer id|client id|customer number|shopper id",

	"customer.comments": "comment|comments|message|messages|question|questions|note|notes|remarks|additional comments|additional information|" +
		"additional info|comments questions|questions comments|questions or comments|comments or questions|how can we help|" +
		"how can we help you|special requests|enquiry|inquiry|your request|what would you like to know|chat|chat transcript|" +
		"transcript|conversation|customer said|commentaire|commentaires|message body|mensaje|comentario|comentarios|nachricht|kommentar",
	"comments": "enquiry type|inquiry type|lead type|request type|type of enquiry|type of inquiry|type of request",
	"customer.preferred": "preferred contact|preferred contact method|preferred method of contact|contact method|contact preference|" +
		"preferred contact by|preferred means of contact|best way to contact|best way to reach you|how should we contact you|" +
		"preferred communication|contact via|contact by",
	"customer.timeframe": "timeframe|time frame|purchase timeframe|purchase time frame|buying timeframe|buying time frame|" +
		"when are you looking to buy|when do you plan to buy|purchase timeline|timeline",
	"besttime": "best time|best time to call|best time to contact|best time to reach you|preferred time|preferred contact time|" +
		"contact time|preferred time to call",

	"vehicle": "vehicle|vehicle of interest|vehicle interest|car|car of interest|auto|year make model|year make and model|make model|" +
		"make and model|ymm|interested in|interested vehicle|i am interested in|inquiring about|enquiring about|stock item|" +
		"unit of interest|model of interest|advert|listing title|vehicle title|vehicle name|vehicle description|vehicle requested|" +
		"what vehicle are you interested in|which vehicle are you interested in|what car are you interested in|" +
		"which car are you interested in|vehicle you are interested in|vehicle interested in|listing|unit|product|product name|" +
		"véhicule|vehículo|vehiculo|fahrzeug",
	"year":         "year|model year|yr|année|año",
	"make":         "make|manufacturer|brand|marque|marca|marke",
	"model":        "model|model name|modèle|modelo|modell",
	"trim":         "trim|trim level|version|derivative|variant|series",
	"vin":          "vin|vin number|vin no|vehicle identification number",
	"stock":        "stock|stock number|stock no|stock id|stocknumber|stk|stk number|stockno|inventaire|numéro d'inventaire|no d'inventaire|numéro de stock|no de stock",
	"registration": "registration|registration number|reg|reg no|reg number|vrm|number plate|license plate|licence plate|plate|plate number",
	"price": "price|listed price|asking price|list price|sale price|selling price|internet price|our price|advertised price|msrp|" +
		"retail price|price listed|prix|precio|preis",
	"odometer":     "mileage|odometer|odometer reading|kilometers|kilometres|kms|km|miles|current mileage|kilométrage|kilometraje|kilometerstand",
	"condition":    "condition|new used|new or used|stock type|inventory type|vehicle condition|vehicle status",
	"exterior":     "color|colour|exterior color|exterior colour|exterior|ext color|ext colour",
	"interior":     "interior color|interior colour|interior|int color|int colour",
	"body":         "body style|bodystyle|body type|body",
	"transmission": "transmission|gearbox",
	"doors":        "doors|number of doors",
	"url": "view listing|listing url|url|page url|page|source url|sourceurl|vehicle url|vehicle link|link|listing link|" +
		"this form submitted at|form submitted at|submitted from|submitted at url|form page|view vehicle advert|vehicle page|" +
		"web page|webpage|page link",

	"reference": "id|reference|reference number|reference id|reference no|ref",
	"id": "lead id|lead number|lead no|lead ref|lead reference|transaction id|transaction number|enquiry id|inquiry id|" +
		"enquiry number|submission id|correlation id|request id|leadid",
	"date": "lead date|date|submitted|submission date|date submitted|received|date received|created|request date|date of enquiry|" +
		"submitted on|lead received|submission time|date time|time submitted|timestamp|requested on",
	"service":     "source|lead source|origin|campaign|lead origin|channel|program",
	"vendor.name": "dealer|dealership|seller|dealer name|seller name|store name|sold by|listed by|rooftop",
	"location":    "location|store|store location",
	"ignore":      "from|to|cc|bcc|sent|subject|reply to|website|fax|fax number|gender|ip|ip address|remote ip|user agent|browser|referrer|referer|referring url",
})

// expand turns rows of labels between bars into one entry a label. Like regexp.MustCompile it is for tables in the source alone.
func expand(m map[string]string) map[string]string {
	out := make(map[string]string, 500)
	for f, list := range m {
		for l := range strings.SplitSeq(list, "|") {
			if _, twice := out[l]; twice {
				panic("label " + l + " stands in two rows")
			}
			out[l] = f
		}
	}
	return out
}

// sections maps what a heading speaks of to the section under it.
var sections = expand(map[string]string{
	"customer": "customer|contact|buyer|shopper|consumer|lead|prospect|your|personal|applicant|client|visitor|user|caller|enquirer|" +
		"inquirer|sender|lead contact|customer contact|about the customer|customers|guest",
	"vehicle": "vehicle|vehicle of interest|listing|car|unit|desired vehicle|requested vehicle|interested in|inventory|advert|" +
		"vehicle interest|about the vehicle|interested vehicle|vehicle requested|selected vehicle|product",
	"trade": "trade|trade in|trade in vehicle|tradein|part exchange|part ex|px|your trade|your trade in|current vehicle|" +
		"vehicle trade in|trade vehicle|customer trade",
	"vendor": "seller|dealer|dealership|store|vendor|sold by|listed by|rooftop|retailer|our dealership",
})

// prefixes are the words in front of a label that say whose the field is.
var prefixes = expand(map[string]string{
	"customer": "customer|customers|customer's|your|buyer|buyers|buyer's|shopper|client|consumer|lead|prospect|applicant|user|visitor|" +
		"caller|guest|primary|my|enquirer|contact|sender|sender's|renter|owner",
	"vendor":  "dealer|dealership|dealers|dealer's|seller|seller's|vendor|store|salesperson|sales|rep|agent|advisor|assigned|manager",
	"trade":   "trade|tradein|px|current",
	"vehicle": "vehicle|vehicle's|car|listing|desired|interested|requested|selected|unit|auto|truck|new|preferred|inventory",
})

// against are labels of mail that names a person and perhaps a car and is no enquiry.
var against = expand(map[string]string{
	"": "invoice|invoice number|invoice no|invoice id|invoice date|order number|order no|order id|order date|order total|amount|amount due|amount paid|total|total due|total paid|grand total|" +
		"subtotal|sub total|balance|balance due|due date|payment|payment method|payment date|payment id|payment amount|tracking number|tracking id|ship to|shipping|shipping address|shipping method|" +
		"bill to|billing address|delivery address|qty|quantity|item|items|receipt number|receipt no|receipt|ro number|repair order|work order|technician|" +
		"ticket|ticket id|ticket number|case number|case id|priority|assignee|when|where|organizer|organiser|attendees|meeting id|passcode|join|" +
		"policy number|account number|card number|statement date|position|position applied for|resume|confirmation number|booking number|itinerary|check in|check out|" +
		"username|password|verification code|code|plan|renewal date|task|task type|due|assigned to|reminder|final recipient|diagnostic code|remote mta|reporting mta|auction date|lane|run number|hammer price",
})

// normalLabel brings a label into the form of the tables: lower case, single spaces, without marks, brackets and underscores.
func normalLabel(s string) string {
	if len(s) > 60 {
		return ""
	}
	if i := strings.IndexAny(s, "(["); i > 0 {
		s = s[:i]
	}
	s = strings.ToLower(s)
	s = strings.Map(func(r rune) rune {
		switch r {
		case '_', '-', '/', '\u00a0', '\t', '&', '.', ',':
			return ' '
		case '*', ':', '?', '>', '•', '·', '\u200b', '"', '“', '”', '|', '\ufeff':
			return -1
		}
		return r
	}, s)
	s = strings.ReplaceAll(s, "#", " number")
	return strings.Join(strings.Fields(s), " ")
}

// lookup returns the field of a label and whose it is, where the label itself says so. A template's own labels come first.
func lookup(label string, own map[string]string) (field, scope string) {
	if label == "" {
		return "", ""
	}
	if f := own[label]; f != "" {
		return f, ""
	}
	if f := labels[label]; f != "" {
		return f, ""
	}
	if strings.HasPrefix(label, "message from ") || strings.HasPrefix(label, "comments from ") {
		return "customer.comments", ""
	}
	for rest := label; ; {
		word, after, more := strings.Cut(rest, " ")
		if !more {
			return "", ""
		}
		if word == "trade" || word == "part" {
			for _, second := range []string{"in ", "exchange ", "ex "} {
				after = strings.TrimPrefix(after, second)
			}
			if word == "part" {
				word = "px"
			}
		}
		s := prefixes[word]
		if s == "" {
			return "", ""
		}
		if scope == "" || s == "trade" {
			scope = s
		}
		if f := labels[after]; f != "" && (s != "vehicle" || strings.HasPrefix(resolve(f, s), s)) {
			return f, scope
		}
		rest = after
	}
}

// heading returns the section that a label opens where it stands alone; empty where it is no heading. Sure says that it can be nothing else.
func heading(label string, own map[string]string) (section string, sure bool) {
	if f, ok := strings.CutPrefix(own[label], "section."); ok {
		return f, true
	}
	base := label
	for _, suffix := range []string{" information", " info", " details", " detail", " data", " section", " summary"} {
		if b, ok := strings.CutSuffix(label, suffix); ok {
			base, sure = b, true
			break
		}
	}
	if s := sections[base]; s != "" {
		return s, sure
	}
	if b, ok := strings.CutPrefix(base, "your "); ok && sections[b] != "" {
		return sections[b], sure
	}
	return "", false
}

// resolve gives a field without an owner to whom it belongs under a section.
func resolve(field, scope string) string {
	if strings.Contains(field, ".") || field == "vehicle" && scope != "trade" {
		return field
	}
	owner := "customer"
	switch scope {
	case "vendor", "trade":
		owner = scope
	}
	switch field {
	case "name", "first", "middle", "last", "email", "phone", "cell", "street", "city", "region", "postal", "country":
		switch {
		case owner == "trade":
			owner = "customer"
		case owner == "vendor" && (field == "first" || field == "middle" || field == "last"):
			return "" // a salesperson's
		}
		if field == "cell" {
			field = "cellphone"
			if owner == "vendor" {
				field = "phone"
			}
		}
		return owner + "." + field
	case "vehicle":
		return "trade"
	case "year", "make", "model", "trim", "vin", "stock", "registration", "price", "odometer", "condition", "exterior", "interior", "body", "transmission", "doors", "url":
		if owner == "vendor" && field == "url" {
			return "vendor.url"
		}
		if owner != "trade" {
			owner = "vehicle"
		}
		return owner + "." + field
	case "person":
		if owner == "vendor" {
			return "" // a salesperson
		}
		return "customer.name"
	case "reference":
		switch scope {
		case "vendor":
			return "vendor.id"
		case "vehicle":
			return "vehicle.stock"
		}
		return "id"
	case "location":
		switch scope {
		case "vendor":
			return "vendor.location"
		case "customer":
			return ""
		}
		return "vendor.name"
	}
	return field
}
