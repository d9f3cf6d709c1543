// Package adf reads, checks and writes Auto-lead Data Format (ADF) 1.0 documents.
// It knows the format and nothing of mail, stores or people.
//
// ADF is the XML in which sales leads travel between web sites and car dealers. Parse takes it as it comes: few senders write what the specification
// of 2000 asks for, and many do not write XML. Whatever a person could read in a document, Parse reads, and says in a Diagnostic what it had to
// repair; what the format does not know is kept in Extra. A Parser with Strict set refuses all that instead and names it.
//
//	d, err := adf.Parse(data)
//	if errors.Is(err, adf.ErrNoProspect) {
//		// there is no lead in it
//	}
//
// How a document is read: its bytes become UTF-8 (charset.go); one pass finds the elements without building more than a table of offsets (scan.go,
// attr.go); where tags do not match, a second pass takes them by what ADF lets one expect (mend.go); then the table is mapped to the model (read.go,
// read_prospect.go, read_vehicle.go), which copies and decodes only the text that is kept (text.go). schema.go holds what ADF 1.0 allows, diagnostic.go every
// code that a Diagnostic can have.
//
// Values are kept as they were written: phones are not normalised, amounts are not numbers, and dates are text, which ParseDate reads.
// Attributes that are absent have the DTD's default. Document type declarations are skipped and entities never expanded.
package adf
