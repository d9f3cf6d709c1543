package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// promised is what the documentation shows as the output of parse. It and the document below are to say the same.
const promised = `{"file":"a.xml","kind":"adf","leads":[{
  "ids":[{"value":"38889","source":"Cobalt","sequence":1}],"status":"new","requested_at":"2000-03-30T15:30:20-08:00",
  "customer":{"name":{"full":"John Doe","first":"John","last":"Doe"},"emails":["j@example.com"],
     "phones":[{"raw":"393-999-3922","e164":"+13939993922","type":"voice","time":"nopreference","preferred":false}],
     "address":{"streets":["1 Main St"],"apartment":"","city":"","region":"","postal_code":"","country":""},"comments":"","timeframe":"","contacts":[]},
  "vehicles":[{"interest":"buy","status":"used","year":1999,"make":"Chevrolet","model":"Blazer","trim":"LT","vin":"","stock":"",
     "odometer":{"value":"90000","units":"mi"},"price":{"value":"26995","type":"quote","currency":"USD"},"comments":""}],
  "vendor":{"name":"Acura of Bellevue"},"provider":{"name":"Cobalt"}}],
 "diagnostics":[{"severity":"warning","code":"bad-entity","line":12,"path":"adf/prospect/customer/comments","message":"..."}]}`

// promisedDocument has an entity that XML does not define, in a comment that says nothing else, on line 12.
const promisedDocument = `<?xml version="1.0"?>
<?adf version="1.0"?>
<adf><prospect status="new">
<id sequence="1" source="Cobalt">38889</id>
<requestdate>2000-03-30T15:30:20-08:00</requestdate>
<vehicle interest="buy" status="used"><year>1999</year><make>Chevrolet</make><model>Blazer</model><trim>LT</trim>
<odometer units="mi">90000</odometer><price type="quote" currency="USD">26995</price></vehicle>
<customer><contact>
<name part="full">John Doe</name><name part="first">John</name><name part="last">Doe</name>
<email>j@example.com</email><phone type="voice" time="nopreference">393-999-3922</phone>
<address><street line="1">1 Main St</street></address></contact>
<comments>&nbsp;</comments></customer>
<vendor><vendorname>Acura of Bellevue</vendorname><contact><name part="full">Acura of Bellevue</name></contact></vendor>
<provider><name part="full">Cobalt</name></provider>
</prospect></adf>`

func TestParsePromised(t *testing.T) {
	var got, want map[string]any
	code, out, _ := parseInput(t.Context(), strings.NewReader(promisedDocument))
	if code != exitWell {
		t.Errorf("exit code = %d, want %d", code, exitWell)
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(promised), &want); err != nil {
		t.Fatal(err)
	}
	want["file"] = "-"
	for _, v := range []map[string]any{got, want} {
		for _, d := range v["diagnostics"].([]any) {
			d.(map[string]any)["message"] = "in words"
		}
	}
	if diff := cmp.Diff(filledIn(want), filledIn(got)); diff != "" {
		t.Errorf("parse (-want +got):\n%s", diff)
	}
}

// parseInput runs parse on standard input.
func parseInput(ctx context.Context, input io.Reader, args ...string) (code int, stdout, stderr string) {
	var out, errs strings.Builder
	code = run(ctx, append([]string{"parse"}, args...), input, &out, &errs)
	return code, out.String(), errs.String()
}

// filledIn leaves out the empty fields of a JSON value, as the contract allows.
func filledIn(v any) any {
	switch v := v.(type) {
	case map[string]any:
		m := map[string]any{}
		for k, x := range v {
			if x = filledIn(x); x != nil {
				m[k] = x
			}
		}
		if len(m) > 0 {
			return m
		}
		return nil
	case []any:
		var all []any
		for _, x := range v {
			all = append(all, filledIn(x))
		}
		if all == nil {
			return nil
		}
		return all
	case string:
		if v == "" {
			return nil
		}
	case bool:
		if !v {
			return nil
		}
	}
	return v
}

// Whatever comes in, one line of JSON with the four fields goes out, and the exit code says whether a lead is in it.
func TestParseAnything(t *testing.T) {
	pieces := []string{
		"<adf>", "</adf>", "<prospect>", "</prospect>", "<customer><contact>", "<email>a@example.com</email>", "<name part=full>", "&nbsp;", "]]>",
		"From: a@example.com\r\n", "Subject: lead\r\n", "Content-Type: multipart/mixed; boundary=b\r\n", "\r\n\r\n", "--b\r\n", "--b--\r\n",
		"Name: Pat\n", "Email: pat@example.com\n", "Phone: 512 555 0143\n", "\x00", "\xff\xfe", "\u202e",
	}
	rapid.Check(t, func(r *rapid.T) {
		input := rapid.OneOf(
			rapid.Map(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 40), func(p []string) string { return strings.Join(p, "") }),
			rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 200), func(b []byte) string { return string(b) }),
		).Draw(r, "input")
		strict := rapid.Bool().Draw(r, "strict")
		args := []string{}
		if strict {
			args = append(args, "--strict")
		}
		code, out, errs := parseInput(t.Context(), strings.NewReader(input), args...)
		var got struct {
			File        string            `json:"file"`
			Kind        string            `json:"kind"`
			Leads       []json.RawMessage `json:"leads"`
			Diagnostics []json.RawMessage `json:"diagnostics"`
		}
		dec := json.NewDecoder(strings.NewReader(out))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&got); err != nil || strings.Count(out, "\n") != 1 {
			r.Fatalf("parse printed %q, %v, want one line of JSON", out, err)
		}
		if got.File != "-" || got.Leads == nil || got.Diagnostics == nil {
			r.Fatalf("parse printed %q, want every field", out)
		}
		if (code == exitWell) != (len(got.Leads) > 0) || (code == exitWell) != (errs == "") {
			r.Fatalf("exit code = %d with %d leads and %q on standard error", code, len(got.Leads), errs)
		}
		if _, text, _ := parseInput(t.Context(), strings.NewReader(input), append(args, "--format", "text")...); strings.ContainsAny(text, "\x00\x1b\u202e") {
			r.Fatalf("parse --format text printed %q, which can steer a terminal", text)
		}
	})
}

// A file larger than what the daemon takes of a message is not read to its end.
func TestParseTooLarge(t *testing.T) {
	input := io.MultiReader(strings.NewReader(promisedDocument), endless{})
	code, out, errs := parseInput(t.Context(), input)
	want := `{"file":"-","kind":"none","leads":[],"diagnostics":[{"severity":"error","code":"limit-size","message":"the file is larger than 10 MiB"}]}` + "\n"
	if code != exitFailed || out != want || errs != "leadfloor: \"-\": no lead in it\n" {
		t.Errorf("parse = %d, %q, %q, want %d, %q", code, out, errs, exitFailed, want)
	}
	whole := promisedDocument + strings.Repeat(" ", mostFile-len(promisedDocument))
	if code, out, errs := parseInput(t.Context(), strings.NewReader(whole)); code != exitWell {
		t.Errorf("parse of %d bytes = %d, %.200q, %q, want %d", len(whole), code, out, errs, exitWell)
	}
}

// endless is a file without end.
type endless struct{}

func (endless) Read(b []byte) (int, error) {
	copy(b, bytes.Repeat([]byte{' '}, len(b)))
	return len(b), nil
}

// A disk that is full is told, not taken for a file without a lead.
func TestParseUnprinted(t *testing.T) {
	var errs strings.Builder
	code := run(t.Context(), []string{"parse"}, strings.NewReader(promisedDocument), full{}, &errs)
	if code != exitFailed || errs.String() != "leadfloor: print \"-\": no space\n" {
		t.Errorf("parse = %d, %q, want that nothing could be printed", code, errs.String())
	}
}

// full is a disk without space.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space") }
