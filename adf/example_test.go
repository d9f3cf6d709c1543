package adf_test

import (
	"errors"
	"fmt"
	"os"
	"time"

	"leadfloor/adf"
)

func ExampleParse() {
	// Unquoted attributes, a bare ampersand, no prolog and a missing end tag: mail brings them all.
	d, err := adf.Parse([]byte(`<adf><prospect>
<vehicle interest=trade-in><year>2019</year><make>Town & Country</vehicle>
<customer><contact><name part="full">Ada Stone</name><phone>555-555-0101</phone></contact></customer>
</prospect></adf>`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range d.Prospects {
		fmt.Println(p.Customer.Contacts[0].Names[0].Value, p.Customer.Contacts[0].Phones[0].Value)
		fmt.Println(p.Vehicles[0].Interest, p.Vehicles[0].Year, p.Vehicles[0].Make)
	}
	for _, g := range d.Diagnostics {
		if g.Line == 2 {
			fmt.Println(g.Severity, g.Code, g.Path)
		}
	}
	// Output:
	// Ada Stone 555-555-0101
	// trade-in 2019 Town & Country
	// warning missing-element adf/prospect/vehicle
	// warning bad-attribute adf/prospect/vehicle
	// warning unclosed-tag adf/prospect/vehicle/make
	// warning bare-ampersand adf/prospect/vehicle/make
}

func ExampleParser_strict() {
	_, err := adf.Parser{Strict: true}.Parse([]byte(`<adf><prospect status="Pending">
<requestdate>2000-03-30T15:30:20-08:00</requestdate>
<vehicle><year>1999</year><make>Chevrolet</make><model>Blazer</model></vehicle>
<customer><contact><name>Ada Stone</name><phone>555-555-0101</phone></contact></customer>
</prospect></adf>`))
	var strict *adf.StrictError
	if errors.As(err, &strict) {
		for _, g := range strict.Diagnostics {
			fmt.Println(g.Severity, g.Line, g.Path, g.Message)
		}
	}
	// Output:
	// info 1  the XML declaration or the ADF instruction is missing
	// warning 1 adf/prospect vendor is missing
	// warning 1 adf/prospect the value of status is not one of ADF 1.0's
}

func ExampleWrite() {
	d := &adf.Document{Prospects: []adf.Prospect{{
		RequestDate: "2000-03-30T15:30:20-08:00",
		Vehicles:    []adf.Vehicle{{Year: "1999", Make: "Chevrolet", Model: "Blazer"}},
		Customer: adf.Customer{Contacts: []adf.Contact{{
			Names:  []adf.Name{{Value: "Ada Stone", Part: "full"}},
			Emails: []adf.Email{{Value: "ada@example.com"}},
		}}},
		Vendor: adf.Vendor{Name: "Acura of Bellevue"},
	}}}
	if err := adf.Write(os.Stdout, d); err != nil {
		fmt.Println(err)
	}
	fmt.Println(len(adf.Validate(d)), "departures from ADF 1.0")
	// Output:
	// <?xml version="1.0" encoding="UTF-8"?>
	// <?adf version="1.0"?>
	// <adf>
	//   <prospect>
	//     <requestdate>2000-03-30T15:30:20-08:00</requestdate>
	//     <vehicle>
	//       <year>1999</year>
	//       <make>Chevrolet</make>
	//       <model>Blazer</model>
	//     </vehicle>
	//     <customer>
	//       <contact>
	//         <name part="full">Ada Stone</name>
	//         <email>ada@example.com</email>
	//       </contact>
	//     </customer>
	//     <vendor>
	//       <vendorname>Acura of Bellevue</vendorname>
	//     </vendor>
	//   </prospect>
	// </adf>
	// 0 departures from ADF 1.0
}

func ExampleParseDate() {
	for _, s := range []string{"20000330T153020-0800", "06/20/2012 01:09PM PST", "2012-05-28T19:17:27"} {
		t, zoned, err := adf.ParseDate(s)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(t.Format(time.RFC3339), zoned)
	}
	// Output:
	// 2000-03-30T15:30:20-08:00 true
	// 2012-06-20T13:09:00-08:00 true
	// 2012-05-28T19:17:27Z false
}
