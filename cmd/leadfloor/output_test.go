package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	people := table{
		columns: []string{"name", "turns", "note"},
		rows: [][]string{
			{"Zoë", "12", "=HYPERLINK(\"http://x\")"},
			{"bob", "7", "two\nlines, \x1b[31mred\x1b[0m\u202e"},
			{"an", "-", "-5"},
		},
		items: []struct {
			Name  string `json:"name"`
			Turns int    `json:"turns"`
		}{{"Zoë <z>", 12}},
	}
	for _, test := range []struct{ format, want string }{
		{formatTable, "NAME  TURNS  NOTE\nZoë      12  =HYPERLINK(\"http://x\")\nbob       7  two lines, [31mred[0m\nan        -  -5\n"},
		{formatCSV, "name,turns,note\nZoë,12,\"'=HYPERLINK(\"\"http://x\"\")\"\nbob,7,\"two\nlines, \x1b[31mred\x1b[0m\u202e\"\nan,'-,-5\n"},
		{formatJSON, "[\n  {\n    \"name\": \"Zoë <z>\",\n    \"turns\": 12\n  }\n]\n"},
	} {
		var b strings.Builder
		if err := people.write(&b, &format{is: test.format}); err != nil {
			t.Fatalf("%s: %v", test.format, err)
		}
		if got := b.String(); got != test.want {
			t.Errorf("%s = %q, want %q", test.format, got, test.want)
		}
	}
}

// Names of any script leave the columns where they are.
func TestTableOfWideNames(t *testing.T) {
	people := table{columns: []string{"name", "status"}, rows: [][]string{{"鈴木 一郎", "on"}, {"Zoe\u0308", "off"}, {"Ann 👩‍🔧", "busy"}}}
	var b strings.Builder
	if err := people.write(&b, &format{is: formatTable}); err != nil {
		t.Fatal(err)
	}
	if got, want := b.String(), "NAME       STATUS\n鈴木 一郎  on\nZoe\u0308        off\nAnn 👩🔧   busy\n"; got != want {
		t.Errorf("table = %q, want %q", got, want)
	}
}

func TestTableOfNothing(t *testing.T) {
	empty := table{columns: []string{"name", "turns"}, items: []string{}}
	var b strings.Builder
	if err := empty.write(&b, &format{is: formatTable}); err != nil || b.String() != "NAME  TURNS\n" {
		t.Errorf("table = %q, %v, want the head alone", b.String(), err)
	}
	b.Reset()
	if err := empty.write(&b, &format{is: formatJSON}); err != nil || !json.Valid([]byte(b.String())) || b.String() != "[]\n" {
		t.Errorf("JSON = %q, %v, want []", b.String(), err)
	}
}

func TestHarmless(t *testing.T) {
	for cell, want := range map[string]string{
		"":               "",
		"plain":          "plain",
		"-5":             "-5",
		"-5.5%":          "-5.5%",
		"-1+cmd|' /C x'": "'-1+cmd|' /C x'",
		"=1+1":           "'=1+1",
		"@SUM(A1)":       "'@SUM(A1)",
		"+13125550142":   "'+13125550142",
		"\t=1":           "'\t=1",
		"＝1+1":           "'＝1+1",
		"a=b":            "a=b",
	} {
		if got := harmless(cell); got != want {
			t.Errorf("harmless(%q) = %q, want %q", cell, got, want)
		}
	}
}
