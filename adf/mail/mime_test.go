package mail

import (
	"encoding/base64"
	"fmt"
	"io"
	"mime/quotedprintable"
	"strings"
	"testing"

	"github.com/emersion/go-message"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestWalkLikeGoMessage takes well-formed messages apart and compares leaf by leaf with go-message, which refuses what is broken and is
// right about what is not. It looks inside, since leaves are not to be seen from outside.
func TestWalkLikeGoMessage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := 0
		raw := "Subject: a\r\nMIME-Version: 1.0\r\n" + entity(t, 0, &n)
		want := leaves(t, raw)
		w := walker{opt: Options{}.withDefaults()}
		w.walk([]byte(raw))
		var got []string
		for _, p := range w.parts {
			got = append(got, p.typ+" "+p.name+"\n"+string(p.raw()))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("walk of %q (-want +got):\n%s", raw, diff)
		}
	})
}

// entity draws an entity, header and body; n counts boundaries.
func entity(t *rapid.T, depth int, n *int) string {
	switch kind := rapid.IntRange(0, 5).Draw(t, "kind"); {
	case kind < 2 && depth < 4:
		*n++
		b := rapid.SampledFrom([]string{"b%d", "=_%d", "----=_Part_%d.x", "b %d b", "'%d'", "a:%d", "0%d/+"}).Draw(t, "boundary")
		b = fmt.Sprintf(b, *n)
		s := "Content-Type: multipart/" + rapid.SampledFrom([]string{"mixed", "alternative", "related"}).Draw(t, "multipart") + ";\r\n\tboundary=\"" + b + "\"\r\n\r\n"
		for range rapid.IntRange(1, 4).Draw(t, "parts") {
			s += "\r\n--" + b + "\r\n" + entity(t, depth+1, n)
		}
		return s + "\r\n--" + b + "--\r\n"
	case kind == 2 && depth > 0 && depth < 4:
		return "Content-Type: message/rfc822\r\n\r\nFrom: a@b.example\r\n" + entity(t, depth+1, n)
	}
	body := rapid.StringMatching(`([ -~äß]{0,30}\r\n){0,5}[ -~äß]{0,10}`).Filter(func(s string) bool { return !strings.Contains(s, "--") }).Draw(t, "body")
	h := "Content-Type: " + rapid.SampledFrom([]string{"text/html", "application/xml", "image/png", "TEXT/XML"}).Draw(t, "type") + "; name=\"" + rapid.StringMatching(`[a-z ;=]{0,8}`).Draw(t, "name") + "\"\r\n"
	switch rapid.IntRange(0, 2).Draw(t, "coding") {
	case 0:
		e := base64.StdEncoding.EncodeToString([]byte(body))
		for i := 76; i < len(e); i += 78 {
			e = e[:i] + "\r\n" + e[i:]
		}
		return h + "Content-Transfer-Encoding: base64\r\n\r\n" + e
	case 1:
		var b strings.Builder
		q := quotedprintable.NewWriter(&b)
		if _, err := io.WriteString(q, body); err != nil {
			t.Fatal(err)
		}
		q.Close()
		return h + "Content-Transfer-Encoding: Quoted-Printable\r\n\r\n" + b.String()
	}
	return h + "\r\n" + body
}

// leaves returns what go-message makes of a message.
func leaves(t *rapid.T, raw string) []string {
	e, err := message.Read(strings.NewReader(raw))
	if err != nil {
		t.Fatalf("go-message: %v", err)
	}
	var list []string
	err = e.Walk(func(_ []int, e *message.Entity, err error) error {
		typ, params, _ := e.Header.ContentType()
		if err != nil || strings.HasPrefix(typ, "multipart/") {
			return err
		}
		b, err := io.ReadAll(e.Body)
		if err != nil {
			return err
		}
		if typ == "message/rfc822" {
			list = append(list, leaves(t, string(b))...)
			return nil
		}
		list = append(list, typ+" "+strings.TrimSpace(params["name"])+"\n"+string(b))
		return nil
	})
	if err != nil {
		t.Fatalf("go-message: %v", err)
	}
	return list
}
