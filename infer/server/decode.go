package server

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// maxBody is the most bytes that a request may have.
const maxBody = 8 << 20

// decoding is how requests are read: names count as they are written, and what
// is unusual but clear is taken.
var decoding = json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

// unnoticed are the members of an object that its type does not have. They are
// accepted without effect, and named in the log.
type unnoticed = jsontext.Value

// decode reads the body of a request into v, which points to a struct.
func (s *Server) decode(w http.ResponseWriter, r *http.Request, v any) error {
	if coding := r.Header.Get("Content-Encoding"); coding != "" && coding != "identity" {
		return badRequest("", "the request is compressed (Content-Encoding: %s): send it as it is", shorten(coding)).withStatus(http.StatusUnsupportedMediaType)
	}
	control := http.NewResponseController(w)
	if err := control.SetReadDeadline(time.Now().Add(s.Patience)); err != nil {
		return err
	}
	body := &bodyReader{Reader: http.MaxBytesReader(w, r.Body, maxBody)}
	whole := io.Reader(body)
	// Large bodies are read one at a time: they are what takes memory. Those that only
	// might be large, or have not come yet, keep nobody waiting.
	if r.ContentLength < 0 || r.ContentLength > largeBody {
		first, err := io.ReadAll(io.LimitReader(body, largeBody))
		if err != nil {
			return s.explain(err)
		}
		if len(first) == largeBody {
			select {
			case s.large <- struct{}{}:
				defer func() { <-s.large }()
				// The time in which others were read is not this client's.
				if err := control.SetReadDeadline(time.Now().Add(s.Patience)); err != nil {
					return err
				}
			case <-r.Context().Done():
				return errCancelled
			}
		}
		whole = io.MultiReader(bytes.NewReader(first), body)
	}
	d := jsontext.NewDecoder(withoutMark(whole), decoding)
	entries := mostEntries
	err := json.UnmarshalDecode(d, v, decoding, counting(&entries))
	if err == nil {
		if _, more := d.ReadToken(); !errors.Is(more, io.EOF) {
			err = more
			if more == nil {
				err = errors.New("data after the JSON object")
			}
		}
	}
	if err == nil {
		// From here on the server only looks whether the client is still there. After
		// an error it reads what is left of the body, and the deadline stays.
		return control.SetReadDeadline(time.Time{})
	}
	if body.err != nil { // what follows from it says less
		err = body.err
	}
	return s.explain(err)
}

// bodyReader keeps why a body could not be read to its end: a field that is cut off by
// that is reported as one of a wrong type.
type bodyReader struct {
	io.Reader
	err error
}

func (b *bodyReader) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}

// withoutMark leaves out the byte order mark that some programs for Windows put
// before any text.
func withoutMark(r io.Reader) io.Reader {
	b := bufio.NewReader(r)
	if mark, _ := b.Peek(3); string(mark) == "\ufeff" {
		_, _ = b.Discard(3)
	}
	return b
}

// largeBody is from how many bytes on requests are read one at a time.
const largeBody = 1 << 20

// explain turns an error of decoding into one that says what is wrong where.
func (s *Server) explain(err error) error { return s.explainAt("", err) }

// explainAt is explain for a value at a place of the request.
func (s *Server) explainAt(place string, err error) error {
	var tooLarge *http.MaxBytesError
	var semantic *json.SemanticError
	var api *apiError
	where := place
	if errors.As(err, &semantic) {
		if inner := fieldOf(semantic.JSONPointer); where == "" || strings.HasPrefix(inner, "[") || inner == "" {
			where += inner
		} else {
			where += "." + inner
		}
	}
	switch {
	case errors.As(err, &api):
		if api.Param == nil && where != "" {
			api.Param, api.Message = &where, where+": "+api.Message
		}
		return api
	case errors.Is(err, os.ErrDeadlineExceeded):
		return badRequest("", "the request did not arrive within %v", s.Patience).withStatus(http.StatusRequestTimeout)
	case errors.As(err, &tooLarge):
		return badRequest("", "the request has more than %d bytes", tooLarge.Limit).withStatus(http.StatusRequestEntityTooLarge)
	case semantic != nil && where == "":
		return badRequest("", "the request must be a JSON object, and not %v", kindName(semantic.JSONKind))
	case semantic != nil && semantic.JSONKind != 0 && semantic.JSONKind != ']': // which ends a list of another length
		return badRequest(where, "%s: %v", where, notThis(semantic))
	case semantic != nil:
		return badRequest(where, "%s: %v", where, semantic.Err)
	}
	if errors.Is(err, io.EOF) {
		return badRequest("", "the request has no body: want a JSON object")
	}
	return badRequest("", "the request is not valid JSON: %s", clip(strings.TrimPrefix(err.Error(), "jsontext: "), 200))
}

// notThis says that a value is of a wrong type, and which one it must have.
func notThis(err *json.SemanticError) error {
	got := kindName(err.JSONKind)
	switch want := typeName(err.GoType); want {
	case "":
		return fmt.Errorf("cannot be %s", got)
	case got:
		return fmt.Errorf("cannot be such %s: it is out of range", got)
	default:
		return mustBe(want, err.JSONKind)
	}
}

// mustBe says that a value must be something else than what it is.
func mustBe(want string, got jsontext.Kind) error {
	return fmt.Errorf("must be %s, and not %s", want, kindName(got))
}

// typeName says which JSON values of type t are read from; "" if any may be.
func typeName(t reflect.Type) string {
	if t == nil {
		return ""
	}
	switch t.Kind() {
	case reflect.Pointer:
		return typeName(t.Elem())
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64, reflect.Float64:
		return "a number"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "an object"
	}
	return ""
}

func kindName(k jsontext.Kind) string {
	switch k {
	case '"':
		return "a string"
	case '0':
		return "a number"
	case 't', 'f':
		return "true or false"
	case '{':
		return "an object"
	case '[':
		return "a list"
	}
	return k.String()
}

// fieldOf writes a JSON pointer as clients write it: messages[2].content.
func fieldOf(p jsontext.Pointer) string {
	var b strings.Builder
	for token := range p.Tokens() {
		if _, err := strconv.Atoi(token); err == nil {
			b.WriteString("[" + token + "]")
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(token)
	}
	return b.String()
}

// integer is a whole number, which may be written as 3.0.
type integer int

func (n *integer) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	value, err := d.ReadValue()
	if err != nil {
		return err
	}
	v, err := strconv.ParseFloat(string(value), 64)
	if value.Kind() == 'n' {
		return nil
	}
	if value.Kind() != '0' || err != nil || v != math.Trunc(v) {
		return fmt.Errorf("must be a whole number, and not %s", shorten(string(value)))
	}
	*n = integer(max(min(v, math.MaxInt32), math.MinInt32))
	return nil
}

// seed is any whole number.
type seed uint64

func (n *seed) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	value, err := d.ReadValue()
	if err != nil || value.Kind() == 'n' {
		return err
	}
	if v, err := strconv.ParseInt(string(value), 10, 64); err == nil {
		*n = seed(v)
		return nil
	}
	if v, err := strconv.ParseUint(string(value), 10, 64); err == nil {
		*n = seed(v)
		return nil
	}
	v, err := strconv.ParseFloat(string(value), 64)
	if value.Kind() != '0' || err != nil || v != math.Trunc(v) {
		return fmt.Errorf("must be a whole number, and not %s", shorten(string(value)))
	}
	*n = seed(math.Float64bits(v))
	if math.Abs(v) < 1<<63 {
		*n = seed(int64(v))
	}
	return nil
}

// words is one string or a short list of strings. One that is empty asks for
// nothing.
type words []string

func (s *words) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	var one string
	switch d.PeekKind() {
	case '"':
		err := json.UnmarshalDecode(d, &one)
		if one != "" {
			*s = words{one}
		}
		return err
	case '[':
		return readList(d, mostWords, func() error {
			err := json.UnmarshalDecode(d, &one)
			*s = append(*s, one)
			return err
		})
	}
	return nothingElse(d, "a string or a list of strings")
}

// nothingElse reads null, which asks for nothing; any other value must be what is
// wanted, and is not.
func nothingElse(d *jsontext.Decoder, want string) error {
	value, err := d.ReadValue()
	if err != nil || value.Kind() == 'n' {
		return err
	}
	return mustBe(want, value.Kind())
}

// integers is a list of ids.
type integers []integer

func (n *integers) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() != '[' {
		return nothingElse(d, "a list of token ids")
	}
	return readList(d, mostTokenized, func() error {
		var id integer
		err := json.UnmarshalDecode(d, &id)
		*n = append(*n, id)
		return err
	})
}

// readList reads a list, whose elements one reads, and no further than most of
// them: a long list takes much more memory than its text.
func readList(d *jsontext.Decoder, most int, one func() error) error {
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for n := 0; d.PeekKind() != ']'; n++ {
		if n == most {
			return badRequest("", "the list has more than %d entries", most)
		}
		if err := one(); err != nil {
			return err
		}
	}
	_, err := d.ReadToken()
	return err
}

// shorten bounds what an error repeats of a request.
func shorten(text string) string { return clip(text, 60) }

func clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}

// or returns the value of a field, or another where it was left out or null.
func or[T any](field *T, otherwise T) T {
	if field == nil {
		return otherwise
	}
	return *field
}

// isNeutral tells whether a field was left out, is null, or has a value that
// asks for nothing.
func isNeutral(value jsontext.Value, neutral ...string) bool {
	if value == nil || value.Kind() == 'n' {
		return true
	}
	if len(neutral) == 0 {
		return false
	}
	short := value.Clone()
	if short.Compact() != nil {
		return false
	}
	for _, n := range neutral {
		if string(short) == n {
			return true
		}
	}
	return false
}
