package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"leadfloor/router"
)

// Limits of a body beside its size.
const (
	mostText   = 32 << 10 // bytes in one text
	mostItems  = 100      // in one list
	mostFaults = 20       // told at once
)

// decode reads one JSON object into the struct that v points to, by its json tags, and strictly: fields unknown or given twice, wrong
// types and anything after the object are faults, each named by its whole path and told all at once. Null is the same as absent. Text
// is trimmed, and control characters are dropped from it. A name and a phone number may be given as plain text.
//
// encoding/json alone does not do: it ignores case and repetition, stops at the first fault, and names no path.
func decode(body []byte, v any) error {
	d := decoder{}
	d.value("", body, reflect.ValueOf(v).Elem())
	if len(d.faults) > 0 {
		return wrong(d.faults...)
	}
	return nil
}

type decoder struct{ faults []fault }

func (d *decoder) fault(path, format string, args ...any) {
	if len(d.faults) < mostFaults {
		d.faults = append(d.faults, fault{path, fmt.Sprintf(format, args...)})
	}
}

// short names the field that plain text stands for in a type that is otherwise an object.
func short(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[router.Phone]():
		return "Raw"
	case reflect.TypeFor[router.Name]():
		return "Full"
	}
	return ""
}

// value reads one value. The raw text of anything but the whole body is known to be well-formed.
func (d *decoder) value(path string, raw []byte, v reflect.Value) {
	raw = bytes.TrimSpace(raw)
	if string(raw) == "null" && path != "" {
		return
	}
	isText := bytes.HasPrefix(raw, []byte{'"'})
	switch {
	case v.Kind() == reflect.Pointer:
		p := reflect.New(v.Type().Elem())
		d.value(path, raw, p.Elem())
		v.Set(p)
	case v.Type() == reflect.TypeFor[time.Time]():
		t, err := time.Parse(time.RFC3339, d.text(path, raw))
		if err != nil {
			d.fault(path, "must be a time such as 2006-01-02T15:04:05Z (RFC 3339)")
			return
		}
		v.Set(reflect.ValueOf(t))
	case v.Kind() == reflect.Struct && isText && short(v.Type()) != "":
		d.value(path, raw, v.FieldByName(short(v.Type())))
	case v.Kind() == reflect.Struct:
		d.object(path, raw, v)
	case v.Kind() == reflect.Slice:
		d.list(path, raw, v)
	case v.Kind() == reflect.String:
		if !isText {
			d.fault(path, "must be text")
			return
		}
		v.SetString(d.text(path, raw))
	case v.Kind() == reflect.Int:
		n, err := strconv.Atoi(string(raw))
		if err != nil {
			d.fault(path, "must be a whole number")
			return
		}
		v.SetInt(int64(n))
	case v.Kind() == reflect.Bool:
		if s := string(raw); s != "true" && s != "false" {
			d.fault(path, "must be true or false")
			return
		}
		v.SetBool(raw[0] == 't')
	default:
		panic("api: no way to read a " + v.Type().String())
	}
}

func (d *decoder) text(path string, raw []byte) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	if s = strings.TrimSpace(strings.Map(visible, s)); len(s) > mostText {
		d.fault(path, "longer than %d bytes", mostText)
		return ""
	}
	return s
}

// visible drops what is no text, as it is dropped from mail: it could only steer the terminal of whoever reads it.
func visible(r rune) rune {
	if unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' {
		return -1
	}
	return r
}

func (d *decoder) list(path string, raw []byte, v reflect.Value) {
	if !bytes.HasPrefix(raw, []byte{'['}) {
		d.fault(path, "must be a list")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	in := json.NewDecoder(bytes.NewReader(raw))
	_, _ = in.Token() // the bracket seen above
	for in.More() {
		i := v.Len()
		if i == mostItems {
			d.fault(path, "more than %d items", mostItems)
			return
		}
		var item json.RawMessage
		if in.Decode(&item) != nil {
			return // never: the object that the list stands in was read whole before
		}
		v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
		at := fmt.Sprintf("%s[%d]", path, i)
		if string(item) == "null" {
			d.fault(at, "must not be null")
			continue
		}
		d.value(at, item, v.Index(i))
	}
}

func (d *decoder) object(path string, raw []byte, v reflect.Value) {
	if !bytes.HasPrefix(raw, []byte{'{'}) {
		d.fault(path, "must be an object")
		return
	}
	fields := map[string]reflect.Value{}
	for _, f := range reflect.VisibleFields(v.Type()) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" {
			fields[name] = v.FieldByIndex(f.Index)
		}
	}
	var given []string
	in := json.NewDecoder(bytes.NewReader(raw))
	_, err := in.Token()
	for err == nil && in.More() {
		var key json.Token
		var item json.RawMessage
		if key, err = in.Token(); err != nil {
			break
		}
		if err = in.Decode(&item); err != nil {
			break
		}
		name := key.(string)
		at := strings.TrimPrefix(path+"."+name, ".")
		field, known := fields[name]
		switch {
		case !known:
			d.fault(cut(at), "unknown field")
		case slices.Contains(given, name):
			d.fault(at, "given twice")
		default:
			given = append(given, name)
			d.value(at, item, field)
		}
		if len(d.faults) == mostFaults {
			return
		}
	}
	if err == nil {
		_, err = in.Token()
	}
	if err != nil {
		d.fault(path, "is not JSON, from about byte %d on", in.InputOffset())
		return
	}
	if _, err := in.Token(); !errors.Is(err, io.EOF) {
		d.fault(path, "something follows the object")
	}
}

func outOfRange(err error) bool { return errors.Is(err, strconv.ErrRange) }
