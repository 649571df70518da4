package otlpjson

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner reads JSON values from a document. Every method first skips white space.
type scanner struct {
	doc     []byte
	pos     int
	depth   int
	scratch []byte // the last string that had escapes
}

func (s *scanner) errorf(format string, args ...any) error {
	return &Error{Offset: s.pos, Reason: fmt.Sprintf(format, args...)}
}

// unexpected is the error for a value of the wrong type, or no value at all.
func (s *scanner) unexpected(want string) error {
	if s.pos >= len(s.doc) {
		return s.errorf("the document ends where %s should stand", want)
	}
	got := map[byte]string{'{': "an object", '[': "a list", '"': "a string", 't': "true", 'f': "false", 'n': "null"}[s.doc[s.pos]]
	switch {
	case s.doc[s.pos] == '-' || digit(s.doc[s.pos]):
		got = "a number"
	case got == "":
		got = strconv.QuoteRune(rune(s.doc[s.pos]))
	}
	return s.errorf("%s where %s should stand", got, want)
}

func (s *scanner) space() {
	for s.pos < len(s.doc) {
		switch s.doc[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

// peek returns the first byte of the next value, and 0 at the end of the document.
func (s *scanner) peek() byte {
	s.space()
	if s.pos >= len(s.doc) {
		return 0
	}
	return s.doc[s.pos]
}

// end checks that nothing follows.
func (s *scanner) end() error {
	if s.peek() != 0 || s.pos < len(s.doc) {
		return s.errorf("something follows the end of the request")
	}
	return nil
}

// open reads the bracket that begins an object or a list.
func (s *scanner) open(bracket byte) error {
	if s.peek() != bracket {
		if bracket == '{' {
			return s.unexpected("an object")
		}
		return s.unexpected("a list")
	}
	if s.depth++; s.depth > MaxDepth {
		return s.errorf("nested deeper than the limit of %d levels", MaxDepth)
	}
	s.pos++
	return nil
}

// next reports whether another member follows in the object or list that ends with the given bracket, and reads the
// comma before it or the bracket.
func (s *scanner) next(bracket byte, first bool) (bool, error) {
	c := s.peek()
	if c == bracket {
		s.pos++
		s.depth--
		return false, nil
	}
	if first {
		return true, nil
	}
	if c != ',' {
		return false, s.unexpected("a comma or " + strconv.QuoteRune(rune(bracket)))
	}
	s.pos++
	return true, nil
}

// key reads the name of a member and the colon. The bytes are valid until the next read.
func (s *scanner) key() ([]byte, error) {
	key, err := s.text()
	if err != nil {
		return nil, err
	}
	if s.peek() != ':' {
		return nil, s.unexpected("a colon")
	}
	s.pos++
	return key, nil
}

// null reads null and reports whether it was there.
func (s *scanner) null() bool {
	return s.peek() == 'n' && s.literal("null")
}

func (s *scanner) literal(word string) bool {
	if !bytes.HasPrefix(s.doc[s.pos:], []byte(word)) {
		return false
	}
	s.pos += len(word)
	return true
}

func (s *scanner) boolean() (bool, error) {
	switch s.peek() {
	case 't':
		if s.literal("true") {
			return true, nil
		}
	case 'f':
		if s.literal("false") {
			return false, nil
		}
	}
	return false, s.unexpected("true or false")
}

// text reads a string as valid UTF-8. The bytes are valid until the next read.
func (s *scanner) text() ([]byte, error) {
	if s.peek() != '"' {
		return nil, s.unexpected("a string")
	}
	s.pos++
	start, ascii := s.pos, true
	for ; s.pos < len(s.doc); s.pos++ {
		switch c := s.doc[s.pos]; {
		case c == '"':
			text := s.doc[start:s.pos]
			s.pos++
			return validText(text, ascii), nil
		case c == '\\':
			return s.escapedText(start)
		case c < ' ':
			return nil, s.errorf("control character %q in a string: write it as an escape", c)
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return nil, s.errorf("the document ends inside a string")
}

func validText(text []byte, ascii bool) []byte {
	if ascii || utf8.Valid(text) {
		return text
	}
	return bytes.ToValidUTF8(text, []byte(string(utf8.RuneError)))
}

// escapedText reads the rest of a string from its first escape on.
func (s *scanner) escapedText(start int) ([]byte, error) {
	text := s.scratch[:0]
	text = append(text, s.doc[start:s.pos]...)
	for s.pos < len(s.doc) {
		c := s.doc[s.pos]
		s.pos++
		switch {
		case c == '"':
			s.scratch = text
			return validText(text, false), nil
		case c < ' ':
			return nil, s.errorf("control character %q in a string: write it as an escape", c)
		case c != '\\':
			text = append(text, c)
		default:
			r, err := s.escape()
			if err != nil {
				return nil, err
			}
			text = utf8.AppendRune(text, r)
		}
	}
	return nil, s.errorf("the document ends inside a string")
}

// escape reads what follows a backslash. A lone surrogate is U+FFFD.
func (s *scanner) escape() (rune, error) {
	if s.pos >= len(s.doc) {
		return 0, s.errorf("the document ends inside a string")
	}
	c := s.doc[s.pos]
	s.pos++
	switch c {
	case '"', '\\', '/':
		return rune(c), nil
	case 'b':
		return '\b', nil
	case 'f':
		return '\f', nil
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 't':
		return '\t', nil
	case 'u':
		high, ok := hex4(s.doc[s.pos:])
		if !ok {
			break
		}
		s.pos += 4
		if !utf16.IsSurrogate(high) {
			return high, nil
		}
		if rest := s.doc[s.pos:]; len(rest) > 2 && rest[0] == '\\' && rest[1] == 'u' {
			if low, ok := hex4(rest[2:]); ok {
				if r := utf16.DecodeRune(high, low); r != utf8.RuneError {
					s.pos += 6
					return r, nil
				}
			}
		}
		return utf8.RuneError, nil
	}
	return 0, s.errorf("invalid escape in a string")
}

func hex4(b []byte) (rune, bool) {
	if len(b) < 4 {
		return 0, false
	}
	v, err := strconv.ParseUint(string(b[:4]), 16, 16)
	return rune(v), err == nil
}

// number reads a number, or a string with a number in it, and returns its text.
func (s *scanner) number() ([]byte, error) {
	if s.peek() == '"' {
		text, err := s.text()
		if err != nil {
			return nil, err
		}
		if len(text) == 0 || numberEnd(text) != len(text) {
			return nil, s.errorf("the string %q is not a number", clip(text))
		}
		return text, nil
	}
	rest := s.doc[s.pos:]
	n := numberEnd(rest)
	if n == 0 {
		return nil, s.unexpected("a number")
	}
	s.pos += n
	return rest[:n], nil
}

// clip shortens a value that is quoted in an error.
func clip(text []byte) []byte {
	return text[:min(len(text), 40)]
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

// numberEnd returns how many bytes at the start of b are a number in JSON's grammar.
func numberEnd(b []byte) int {
	i := 0
	digits := func() bool {
		from := i
		for i < len(b) && digit(b[i]) {
			i++
		}
		return i > from
	}
	if i < len(b) && b[i] == '-' {
		i++
	}
	whole := i
	if !digits() || (b[whole] == '0' && i > whole+1) {
		return 0
	}
	if i < len(b) && b[i] == '.' {
		i++
		if !digits() {
			return 0
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if !digits() {
			return 0
		}
	}
	return i
}

// double reads a floating-point number; NaN and the infinities stand in strings.
func (s *scanner) double() (float64, error) {
	if s.peek() == '"' {
		at := s.pos
		text, err := s.text()
		if err != nil {
			return 0, err
		}
		switch string(text) {
		case "NaN":
			return math.NaN(), nil
		case "Infinity":
			return math.Inf(1), nil
		case "-Infinity":
			return math.Inf(-1), nil
		}
		s.pos = at
	}
	text, err := s.number()
	if err != nil {
		return 0, err
	}
	v, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return 0, s.errorf("number %q is out of range", clip(text))
	}
	return v, nil
}

// wholeNumber reads an integer in any notation that JSON has, exactly: 12, "12", 1.2e1 and 12.0 are the same.
func (s *scanner) wholeNumber() (negative bool, magnitude uint64, err error) {
	text, err := s.number()
	if err != nil {
		return false, 0, err
	}
	digits := text
	if digits[0] == '-' {
		negative, digits = true, digits[1:]
	}
	exponent := 0
	if i := bytes.IndexAny(digits, "eE"); i >= 0 {
		if exponent, err = strconv.Atoi(string(digits[i+1:])); err != nil {
			return false, 0, s.errorf("number %q is out of range", clip(text))
		}
		digits = digits[:i]
	}
	// point becomes how many digits stand left of the decimal point once the exponent has moved it.
	point := bytes.IndexByte(digits, '.')
	if point < 0 {
		point = len(digits)
	}
	point += exponent
	seen := 0
	for _, c := range digits {
		if c == '.' {
			continue
		}
		if seen++; seen > point {
			if c != '0' {
				return false, 0, s.errorf("number %q is not an integer", clip(text))
			}
			continue
		}
		if magnitude > (math.MaxUint64-uint64(c-'0'))/10 {
			return false, 0, s.errorf("number %q is out of range", clip(text))
		}
		magnitude = magnitude*10 + uint64(c-'0')
	}
	for ; seen < point && magnitude > 0; seen++ {
		if magnitude > math.MaxUint64/10 {
			return false, 0, s.errorf("number %q is out of range", clip(text))
		}
		magnitude *= 10
	}
	return negative, magnitude, nil
}

// skip reads any value.
func (s *scanner) skip() error {
	switch s.peek() {
	case '{', '[':
		return s.skipMembers()
	case '"':
		_, err := s.text()
		return err
	case 't', 'f':
		_, err := s.boolean()
		return err
	case 'n':
		if s.null() {
			return nil
		}
		return s.unexpected("a value")
	}
	_, err := s.number()
	return err
}

func (s *scanner) skipMembers() error {
	bracket := s.doc[s.pos]
	if err := s.open(bracket); err != nil {
		return err
	}
	for first := true; ; first = false {
		more, err := s.next(bracket+2, first) // in ASCII, '{'+2 is '}' and '['+2 is ']'
		if err != nil || !more {
			return err
		}
		if bracket == '{' {
			if _, err := s.key(); err != nil {
				return err
			}
		}
		if err := s.skip(); err != nil {
			return err
		}
	}
}
