package mail

import (
	"bytes"
	"regexp"
	"strings"

	"leadfloor/adf"
)

// makes are the makes that a vehicle's title may begin with, in lower case. A title that begins with none of them is not taken apart.
const makes = `|acura|alfa romeo|aprilia|aston martin|audi|bentley|bmw|buick|byd|cadillac|can-am|chevrolet|chevy|chrysler|citroen|citroën|cupra|dacia|dodge|` +
	`ducati|ferrari|fiat|fisker|ford|freightliner|genesis|gmc|harley-davidson|harley davidson|hino|honda|hummer|hyundai|indian|infiniti|international|isuzu|` +
	`jaguar|jeep|kawasaki|kia|koenigsegg|ktm|lamborghini|lancia|land rover|lexus|lincoln|lotus|lucid|maserati|maybach|mazda|mclaren|mercedes-benz|` +
	`mercedes benz|mercedes-amg|mercedes|mercury|mg|mini|mitsubishi|nissan|oldsmobile|opel|pagani|peugeot|plymouth|polaris|polestar|pontiac|porsche|ram|` +
	`range rover|renault|rivian|rolls-royce|rolls royce|saab|saturn|scion|seat|skoda|škoda|smart|ssangyong|subaru|suzuki|tesla|toyota|triumph|vauxhall|` +
	`vinfast|volkswagen|volvo|vw|yamaha|`

// capitals are the makes that are written in them.
const capitals = "|bmw|byd|gmc|ktm|mg|vw|"

// splitVehicle takes a title such as "Used 2014 GMC Sierra 1500 SLE" apart: condition, year, make and, as the model, the rest. Where to
// cut model from trim nobody can know. A title without a known make is all model.
func splitVehicle(title string, v *adf.Vehicle) {
	words := strings.Fields(title)
	rest := words
	status := ""
	for len(rest) > 1 {
		s := statusOf(rest[0])
		if s == "" && !strings.EqualFold(rest[0], "pre-owned") {
			break
		}
		if status == "" {
			status = s
		}
		rest = rest[1:]
	}
	year := ""
	if len(rest) > 1 && isYear(rest[0]) {
		year, rest = rest[0], rest[1:]
		if len(rest) > 1 && plateForm.MatchString(rest[0]) {
			rest = rest[1:]
		}
	}
	n := makeWords(rest)
	if n == 0 {
		v.Model = strings.Join(words, " ")
		return
	}
	model := rest[n:]
	if year == "" && len(model) > 1 && isYear(model[len(model)-1]) {
		year, model = model[len(model)-1], model[:len(model)-1]
	}
	if status != "" {
		v.Status = status
	}
	v.Year, v.Make, v.Model = year, strings.Join(rest[:n], " "), strings.Join(model, " ")
}

// plateForm is the half-year that a British plate tells: 2018 (68) Ford.
var plateForm = regexp.MustCompile(`^\(\d\d\)$`)

// wanted finds the vehicle that a sentence says somebody is interested in, about or for; only where it begins with a year and a known make.
var wanted = regexp.MustCompile(`(?i)\b(?:interested in|inquiring about|enquiring about|inquiry (?:on|about|for)|enquiry (?:on|about|for)|test drive)\s+(?:(?:your|the|this|a|an|my)\s+)?` +
	`((?:(?:used|new|certified|pre-owned)\s+)*(?:19|20)\d\d\s.{2,80}?)(?:[,;!?)]|\.(?:\s|$)|\s(?:and|on|that|which|you|listed|with|for|at)\s|$)`)

// vehicleIn returns the title of the vehicle that a sentence names; empty where there is none.
func vehicleIn(s string) string {
	for line := range strings.Lines(s) {
		// The pattern is slow, and few lines hold a piece of its verbs and of a year.
		if !containsAny(line, "19", "20") || !containsAny(strings.ToLower(line), "intere", "quir", "t drive") {
			continue
		}
		if m := wanted.FindStringSubmatch(strings.TrimSpace(line)); m != nil && isVehicle(m[1]) {
			return m[1]
		}
	}
	return ""
}

// isVehicle reports whether a line is a vehicle's title for sure: a year and a known make in front.
func isVehicle(line string) bool {
	var v adf.Vehicle
	splitVehicle(line, &v)
	return len(line) <= 100 && v.Year != "" && v.Make != ""
}

// makeWords returns how many words a known make at the beginning takes; 0 where there is none.
func makeWords(words []string) int {
	for n := min(2, len(words)); n > 0; n-- {
		if m := strings.ToLower(strings.Join(words[:n], " ")); !strings.Contains(m, "|") && strings.Contains(makes, "|"+m+"|") {
			return n
		}
	}
	return 0
}

func isYear(s string) bool {
	return len(s) == 4 && (s[:2] == "19" || s[:2] == "20") && s[2] >= '0' && s[2] <= '9' && s[3] >= '0' && s[3] <= '9'
}

// statusOf returns new or used for a word that says so.
func statusOf(s string) string {
	switch strings.ToLower(strings.Trim(s, ",;()")) {
	case "new", "brand new":
		return "new"
	case "used", "pre-owned", "preowned", "pre owned", "certified", "cpo", "certified pre-owned", "certified used", "second hand", "demo":
		return "used"
	}
	return ""
}

// vehicleInURL returns the title that a listing's address spells, such as "2021 Tesla Model 3" of .../2021-tesla-model-3-d9779/: only where
// it begins with a year and a known make. A stock number often stands behind it.
func vehicleInURL(u string) (title, stock string) {
	u, _, _ = strings.Cut(u, "?")
	for _, segment := range strings.Split(u, "/") {
		words := strings.FieldsFunc(segment, func(r rune) bool { return r == '-' || r == '_' || r == '+' })
		if len(words) > 0 && statusOf(words[0]) != "" {
			words = words[1:]
		}
		if len(words) < 3 || len(words) > 20 || !isYear(words[0]) {
			continue
		}
		if makeWords(words[1:]) == 0 {
			// Hyphenated makes lie in pieces here.
			if m := strings.ToLower(words[1] + "-" + words[2]); !strings.Contains(makes, "|"+m+"|") {
				continue
			}
			words = append([]string{words[0], words[1] + "-" + words[2]}, words[3:]...)
		}
		if last := len(words) - 1; last > 2 && stockForm.MatchString(words[last]) && !strings.HasSuffix(words[last], "500") { // K1500 is a model
			stock, words = strings.ToUpper(words[last]), words[:last]
		}
		for i, w := range words {
			switch {
			case strings.Contains(capitals, "|"+strings.ToLower(w)+"|"):
				words[i] = strings.ToUpper(w)
			case w[0] < 0x80:
				words[i] = strings.ToUpper(w[:1]) + w[1:]
			}
		}
		return strings.Join(words, " "), stock
	}
	return "", ""
}

// stockForm is what no model is called.
var stockForm = regexp.MustCompile(`(?i)^(?:[a-z]{1,3}\d{4,7}[a-z]?|\d{5,8}[a-z]?)$`)

// vehicle makes a vehicle of the fields under a prefix, and reports whether there is one.
func vehicle(v map[string]string, prefix string) (adf.Vehicle, bool) {
	car := adf.Vehicle{Interest: "buy", Status: "new"}
	if prefix == "trade" {
		car.Interest, car.Status = "trade-in", "used"
	}
	get := func(f string) string { return v[prefix+"."+f] }
	if v[prefix] != "" {
		splitVehicle(v[prefix], &car)
	}
	for _, f := range []struct {
		to   *string
		from string
	}{{&car.Year, "year"}, {&car.Make, "make"}, {&car.Model, "model"}, {&car.Trim, "trim"}, {&car.VIN, "vin"}, {&car.Stock, "stock"},
		{&car.BodyStyle, "body"}, {&car.Transmission, "transmission"}, {&car.Doors, "doors"}} {
		if s := get(f.from); s != "" {
			*f.to = s
		}
	}
	if s := get("registration"); s != "" {
		car.IDs = []adf.ID{{Value: s, Source: "registration"}}
		if car.Stock == "" && prefix == "vehicle" {
			car.Stock = s // where cars are sold by their plates, they are found by them
		}
	}
	if s := get("price"); s != "" {
		car.Prices = []adf.Price{{Value: s, Type: "asking", Currency: currency(s)}}
	}
	if s := get("odometer"); s != "" {
		car.Odometers = []adf.Odometer{odometer(s)}
	}
	if s := get("condition"); s != "" {
		if st := statusOf(s); st != "" {
			car.Status = st
		} else {
			car.Condition = strings.ToLower(s)
		}
	}
	if in, ex := get("interior"), get("exterior"); in+ex != "" {
		car.ColorCombinations = []adf.ColorCombination{{Interior: in, Exterior: ex}}
	}
	if s := get("url"); s != "" {
		car.Comments = s
	}
	ok := car.Year+car.Make+car.Model+car.VIN+car.Stock+car.Trim != "" || len(car.IDs) > 0
	return car, ok
}

// currency returns the code of a sign that belongs to one currency; a dollar may be of several countries.
func currency(s string) string {
	switch {
	case strings.Contains(s, "£"):
		return "GBP"
	case strings.Contains(s, "€"):
		return "EUR"
	}
	for _, c := range []string{"USD", "CAD", "GBP", "EUR", "AUD", "NZD"} {
		if bytes.Contains(bytes.ToUpper([]byte(s)), []byte(c)) {
			return c
		}
	}
	return ""
}

// odometer cuts a reading such as "45,000 km" into number and units.
func odometer(s string) adf.Odometer {
	o := adf.Odometer{Value: s}
	i := strings.LastIndexAny(s, "0123456789")
	if i < 0 {
		return o
	}
	switch strings.ToLower(strings.TrimSpace(s[i+1:])) {
	case "km", "kms", "kilometers", "kilometres":
		o.Units = "km"
	case "mi", "mile", "miles", "mi.":
		o.Units = "mi"
	default:
		return o
	}
	o.Value = strings.TrimSpace(s[:i+1])
	return o
}
