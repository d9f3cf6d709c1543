package adf

import (
	"strconv"
	"strings"
)

func (r *reader) vehicle(v *Vehicle, id int32) {
	r.check(id)
	v.Interest = r.choice(id, atInterest, interests)
	v.Status = r.choice(id, atStatus, vehicleStatuses)
	v.IDs = take(r, &r.slabs.ids, elID)
	v.Odometers = take(r, &r.slabs.odometers, elOdometer)
	v.ColorCombinations = take(r, &r.slabs.colors, elColorCombination)
	v.Prices = take(r, &r.slabs.prices, elPrice)
	v.Options = take(r, &r.slabs.options, elOption)
	for c := r.nodes.at(id).first; c != 0; c = r.nodes.at(c).next {
		r.vehicleChild(v, c)
	}
	r.keepStray(&v.Extra, id)
	none(&v.IDs)
	none(&v.Odometers)
	none(&v.ColorCombinations)
	none(&v.Prices)
	none(&v.Options)
}

func (r *reader) vehicleChild(v *Vehicle, c int32) {
	switch e := r.nodes.at(c).element; e {
	case elID:
		r.addID(&v.IDs, c)
	case elYear:
		r.set(&v.Year, c, &v.Extra)
	case elMake:
		r.set(&v.Make, c, &v.Extra)
	case elModel:
		r.set(&v.Model, c, &v.Extra)
	case elVIN:
		r.set(&v.VIN, c, &v.Extra)
	case elStock:
		r.set(&v.Stock, c, &v.Extra)
	case elTrim:
		r.set(&v.Trim, c, &v.Extra)
	case elDoors:
		r.set(&v.Doors, c, &v.Extra)
	case elBodyStyle:
		r.set(&v.BodyStyle, c, &v.Extra)
	case elTransmission:
		r.set(&v.Transmission, c, &v.Extra)
	case elOdometer:
		o := Odometer{Value: r.leaf(c), Status: r.choice(c, atStatus, odometerStatuses), Units: r.choice(c, atUnits, odometerUnits)}
		if o.Units == "miles" {
			r.note(CodeDialect, r.nodes.at(c).tag, c)
		}
		if o.Value != "" {
			v.Odometers = append(v.Odometers, o)
		}
	case elCondition:
		r.set(&v.Condition, c, &v.Extra)
		r.among(c, v.Condition, conditions)
	case elColorCombination:
		r.colors(v, c)
	case elInteriorColor, elExteriorColor:
		if len(v.ColorCombinations) == 0 {
			v.ColorCombinations = append(v.ColorCombinations, ColorCombination{})
		}
		if e == elInteriorColor {
			r.set(&v.ColorCombinations[0].Interior, c, &v.Extra)
		} else {
			r.set(&v.ColorCombinations[0].Exterior, c, &v.Extra)
		}
		if first := &v.ColorCombinations[0]; first.Interior+first.Exterior+first.Preference == "" && first.Extra == nil {
			v.ColorCombinations = nil
		}
	case elImageTag:
		i := ImageTag{URL: r.leaf(c), Width: r.attribute(c, atWidth), Height: r.attribute(c, atHeight), AltText: r.attribute(c, atAltText)}
		if i != (ImageTag{}) {
			v.ImageTags = append(v.ImageTags, i)
		}
	case elPrice:
		if p, ok := r.price(c); ok {
			v.Prices = append(v.Prices, p)
		}
	case elPriceComments:
		r.join(&v.PriceComments, c)
	case elOption:
		r.option(v, c)
	case elFinance:
		r.finance(v, c)
	case elComments:
		r.join(&v.Comments, c)
	case elStatus:
		if s := strings.ToLower(r.leaf(c)); v.Status == vehicleStatuses[0] && (s == "new" || s == "used") {
			v.Status = s
			return
		}
		r.keep(&v.Extra, c)
	default:
		r.keep(&v.Extra, c)
	}
}

func (r *reader) colors(v *Vehicle, id int32) {
	r.check(id)
	var cc ColorCombination
	for c := r.nodes.at(id).first; c != 0; c = r.nodes.at(c).next {
		switch r.nodes.at(c).element {
		case elInteriorColor:
			r.set(&cc.Interior, c, &cc.Extra)
		case elExteriorColor:
			r.set(&cc.Exterior, c, &cc.Extra)
		case elPreference:
			r.set(&cc.Preference, c, &cc.Extra)
			if n, err := strconv.Atoi(cc.Preference); cc.Preference != "" && (err != nil || n < 1) {
				r.note(CodeContentValue, r.nodes.at(c).tag, c)
			}
		default:
			r.keep(&cc.Extra, c)
		}
	}
	r.keepStray(&cc.Extra, id)
	if cc.Interior+cc.Exterior+cc.Preference != "" || cc.Extra != nil {
		v.ColorCombinations = append(v.ColorCombinations, cc)
	}
}

// price reads a price; false where there is nothing in it. One without text may say something all the same: type="call".
func (r *reader) price(id int32) (Price, bool) {
	p := Price{Value: r.leaf(id), Type: r.choice(id, atType, priceTypes), Currency: r.currency(id), Delta: r.choice(id, atDelta, deltas),
		RelativeTo: r.choice(id, atRelativeTo, relativeTos), Source: r.attribute(id, atSource)}
	return p, p != Price{Type: priceTypes[0]}
}

func (r *reader) currency(id int32) string {
	a := r.lookup(id, atCurrency)
	if a == nil {
		return ""
	}
	v := r.value(a, id)
	if !isLetters(v, 3) {
		r.noteWhat(CodeValue, r.nodes.at(id).tag, id, uint8(atCurrency), true)
	}
	return v
}

func (r *reader) option(v *Vehicle, id int32) {
	r.check(id)
	var o Option
	for c := r.nodes.at(id).first; c != 0; c = r.nodes.at(c).next {
		switch r.nodes.at(c).element {
		case elOptionName:
			r.set(&o.Name, c, &o.Extra)
		case elManufacturerCode:
			r.set(&o.ManufacturerCode, c, &o.Extra)
		case elStock:
			r.set(&o.Stock, c, &o.Extra)
		case elWeighting:
			r.set(&o.Weighting, c, &o.Extra)
			if n, err := strconv.Atoi(o.Weighting); o.Weighting != "" && (err != nil || n < -100 || n > 100) {
				r.note(CodeContentValue, r.nodes.at(c).tag, c)
			}
		case elPrice:
			p, ok := r.price(c)
			switch {
			case ok && o.Price == nil:
				o.Price = &p
			case ok:
				r.keep(&o.Extra, c)
			}
		default:
			r.keep(&o.Extra, c)
		}
	}
	if s := r.stray(id); s != "" && o.Name == "" {
		r.note(CodeStray, r.nodes.at(id).start, id)
		o.Name = s
	} else {
		r.keepStray(&o.Extra, id)
	}
	if o.Name+o.ManufacturerCode+o.Stock+o.Weighting != "" || o.Price != nil || o.Extra != nil {
		v.Options = append(v.Options, o)
	}
}

func (r *reader) finance(v *Vehicle, id int32) {
	r.check(id)
	if v.Finance != nil {
		r.keep(&v.Extra, id)
		return
	}
	var f Finance
	f.Amounts = take(r, &r.slabs.amounts, elAmount)
	for c := r.nodes.at(id).first; c != 0; c = r.nodes.at(c).next {
		switch r.nodes.at(c).element {
		case elMethod:
			r.set(&f.Method, c, &f.Extra)
			r.among(c, strings.ToLower(f.Method), methods)
		case elAmount:
			a := Amount{Value: r.leaf(c), Type: r.choice(c, atType, amountTypes), Limit: r.choice(c, atLimit, limits), Currency: r.currency(c)}
			if a.Value != "" {
				f.Amounts = append(f.Amounts, a)
			}
		case elBalance:
			b := Balance{Value: r.leaf(c), Type: r.choice(c, atType, balanceTypes), Currency: r.currency(c)}
			switch {
			case b.Value == "":
			case f.Balance == nil:
				f.Balance = &b
			default:
				r.keep(&f.Extra, c)
			}
		default:
			r.keep(&f.Extra, c)
		}
	}
	r.keepStray(&f.Extra, id)
	none(&f.Amounts)
	if f.Method != "" || len(f.Amounts) > 0 || f.Balance != nil || f.Extra != nil {
		v.Finance = &f
	}
}
