// Package statement reads SQL as far as a front before libchdb must: where a statement ends, where the rows of an INSERT
// begin, and whether a statement may run on a read-only engine.
package statement

import (
	"fmt"
	"strings"

	"loadline/internal/chdb/libchdb"
)

// Statement is one SQL statement, split as far as the front needs it: libchdb itself executes whatever follows a `;`, and
// takes the end of inline INSERT data to be the first blank line, so both are decided here and never left to it.
type Statement struct {
	Text   string // without a trailing `;`; for an INSERT with data, without ` FORMAT x` and what follows
	Verb   string // first word in upper case
	tokens []token

	Insert   bool   // INSERT whose rows are data, not a SELECT
	Format   string // the FORMAT of an INSERT with data; the output FORMAT of anything else; "" when not said
	Data     int    // where inline data starts in the source, -1 without
	Settings int    // where the top-level SETTINGS clause of an INSERT starts in Text, -1 without
}

type tokenKind uint8

const (
	word tokenKind = iota + 1 // a name, keyword or number
	quotedName
	stringLiteral
	punctuation // one byte
)

// token is a lexeme of a statement; parens is its depth in brackets.
type token struct {
	kind       tokenKind
	start, end int
	depth      int
}

// syntaxError is what the front refuses before the engine sees it, in ClickHouse's own words.
func syntaxError(format string, args ...any) error {
	return libchdb.NewError("Code: 62. DB::Exception: Syntax error: " + fmt.Sprintf(format, args...) + " (SYNTAX_ERROR)")
}

// Parse splits sql, which must be a single statement. It follows ClickHouse's own lexer (strings, quoted names,
// comments, heredocs); what the two could read differently is refused.
func Parse(sql string) (*Statement, error) {
	st := &Statement{Text: sql, Data: -1, Settings: -1}
	lx := lexer{src: sql}
	for {
		t, ok, err := lx.next()
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		if lx.is(t, ";") && t.depth == 0 {
			if _, more, err := lx.next(); more || err != nil {
				return nil, syntaxError("multi-statements are not allowed: send one statement, nothing may follow the `;` at position %d", t.start+1)
			}
			st.Text = sql[:t.start]
			break
		}
		st.tokens = append(st.tokens, t)
		if len(st.tokens) == 1 || st.Verb == "" {
			st.Verb = firstWord(&lx, t)
		}
		if st.Verb == "INSERT" {
			begins, err := st.dataBegins(&lx)
			if err != nil {
				return nil, err
			}
			if begins {
				break
			}
		}
	}
	if len(st.tokens) == 0 {
		return nil, syntaxError("empty query")
	}
	if !st.Insert {
		st.outputFormat()
	}
	return st, nil
}

// firstWord is the verb of a statement; opening brackets may stand before it.
func firstWord(lx *lexer, t token) string {
	switch {
	case t.kind == word:
		return strings.ToUpper(lx.src[t.start:t.end])
	case lx.is(t, "("):
		return ""
	}
	return lx.src[t.start:t.end]
}

// dataBegins reports whether the newest token ends the head of an INSERT with data, and if so cuts the head there.
func (st *Statement) dataBegins(lx *lexer) (bool, error) {
	n := len(st.tokens)
	last := st.tokens[n-1]
	if last.depth != 0 || last.kind != word || n < 4 {
		return false, nil
	}
	switch before := st.tokens[n-2]; {
	case n >= 5 && lx.isWord(before, "FORMAT") && before.depth == 0 && st.has("SELECT"):
		return false, syntaxError("FORMAT at position %d: an INSERT from a SELECT has none", before.start+1)
	case st.has("SELECT") || st.has("WITH") || st.has("INFILE"):
		return false, nil
	case lx.isWord(last, "SETTINGS"):
		st.Settings = last.start
		return false, nil
	case lx.isWord(last, "VALUES"):
		st.Insert, st.Format = true, "Values"
		st.Text, st.Data = lx.src[:last.start], last.end
		return true, nil
	case n >= 5 && before.depth == 0 && lx.isWord(before, "FORMAT"):
		st.Insert, st.Format = true, lx.src[last.start:last.end]
		st.Text, st.Data = lx.src[:before.start], dataStart(lx.src, last.end)
		return true, nil
	}
	return false, nil
}

// dataStart skips what ClickHouse skips between the name of the format and the data: blanks, then one line end.
func dataStart(src string, i int) int {
	for i < len(src) && (src[i] == ' ' || src[i] == '\t' || src[i] == '\f') {
		i++
	}
	if i < len(src) && src[i] == '\r' {
		i++
	}
	if i < len(src) && src[i] == '\n' {
		i++
	}
	return i
}

// has reports whether the bare word w (upper case) stands anywhere in the statement so far.
func (st *Statement) has(w string) bool {
	for _, t := range st.tokens {
		if t.kind == word && strings.EqualFold(st.Text[t.start:t.end], w) {
			return true
		}
	}
	return false
}

// outputFormat finds the FORMAT clause of a query: the last one outside brackets.
func (st *Statement) outputFormat() {
	for i := len(st.tokens) - 1; i > 0; i-- {
		name, keyword := st.tokens[i], st.tokens[i-1]
		if name.depth == 0 && name.kind == word && keyword.depth == 0 && keyword.kind == word &&
			strings.EqualFold(st.Text[keyword.start:keyword.end], "FORMAT") {
			st.Format = st.Text[name.start:name.end]
			return
		}
	}
}

// Streams reports whether the engine can be asked for the result block by block.
func (st *Statement) Streams() bool {
	return st.Verb == "SELECT" || st.Verb == "WITH"
}

// lexer cuts SQL into tokens as ClickHouse's Lexer.cpp does.
type lexer struct {
	src   string
	pos   int
	depth int
}

func (l *lexer) is(t token, s string) bool { return t.kind == punctuation && l.src[t.start:t.end] == s }

func (l *lexer) isWord(t token, upper string) bool {
	return t.kind == word && strings.EqualFold(l.src[t.start:t.end], upper)
}

func isWordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// next returns the next token, and false at the end of the text.
func (l *lexer) next() (token, bool, error) {
	if err := l.skipBlank(); err != nil || l.pos >= len(l.src) {
		return token{}, false, err
	}
	t := token{start: l.pos, depth: l.depth}
	var err error
	switch c := l.src[l.pos]; {
	case c == '\'':
		t.kind, err = stringLiteral, l.quoted(c)
	case c == '`' || c == '"':
		t.kind, err = quotedName, l.quoted(c)
	case c == '$':
		t.kind, err = stringLiteral, l.heredoc()
	case isWordByte(c):
		t.kind, err = word, l.bareWord()
	case c >= 0x80:
		err = syntaxError("unexpected character at position %d outside quotes", l.pos+1)
	default:
		t.kind = punctuation
		l.pos++
		l.bracket(c, &t)
	}
	t.end = l.pos
	return t, err == nil, err
}

// bracket keeps the depth: a bracket itself counts as outside.
func (l *lexer) bracket(c byte, t *token) {
	switch c {
	case '(', '[', '{':
		l.depth++
	case ')', ']', '}':
		l.depth = max(0, l.depth-1)
		t.depth = l.depth
	case ';':
		// The engine ends a statement at any `;` that is not quoted, whatever the brackets.
		t.depth = 0
	}
}

// bareWord takes a name or number. A `$` in it or next to it is refused: versions of the engine differ on whether it belongs
// to the word or begins a heredoc, and one of them would see a `;` where the other sees text.
func (l *lexer) bareWord() error {
	for l.pos < len(l.src) && isWordByte(l.src[l.pos]) {
		l.pos++
	}
	if l.pos < len(l.src) && l.src[l.pos] == '$' {
		return l.unexpectedDollar()
	}
	return nil
}

func (l *lexer) unexpectedDollar() error {
	return syntaxError("unexpected `$` at position %d; it may only begin a heredoc such as $$text$$", l.pos+1)
}

// quoted takes a string or quoted name: a backslash escapes, a doubled quote is one quote.
func (l *lexer) quoted(q byte) error {
	start := l.pos
	for l.pos++; l.pos < len(l.src); l.pos++ {
		switch l.src[l.pos] {
		case '\\':
			l.pos++
		case q:
			if l.pos+1 >= len(l.src) || l.src[l.pos+1] != q {
				l.pos++
				return nil
			}
			l.pos++
		}
	}
	l.pos = len(l.src)
	return syntaxError("the quote at position %d is not closed", start+1)
}

// heredoc takes $tag$ text $tag$.
func (l *lexer) heredoc() error {
	rest := l.src[l.pos:]
	n := 1
	for n < len(rest) && isWordByte(rest[n]) {
		n++
	}
	if n == len(rest) || rest[n] != '$' {
		return l.unexpectedDollar()
	}
	tag := rest[:n+1]
	i := strings.Index(rest[len(tag):], tag)
	if i < 0 {
		return syntaxError("the heredoc at position %d is not closed", l.pos+1)
	}
	l.pos += len(tag) + i + len(tag)
	return nil
}

// skipBlank skips white space and comments. Nested comments are refused, since versions of the engine differ on them.
func (l *lexer) skipBlank() error {
	for l.pos < len(l.src) {
		rest := l.src[l.pos:]
		switch {
		case strings.IndexByte(" \t\n\r\f\v", rest[0]) >= 0:
			l.pos++
		case strings.HasPrefix(rest, "--"), strings.HasPrefix(rest, "# "), strings.HasPrefix(rest, "#!"):
			i := strings.IndexByte(rest, '\n')
			if i < 0 {
				l.pos = len(l.src)
				return nil
			}
			l.pos += i + 1
		case strings.HasPrefix(rest, "/*"):
			i := strings.Index(rest[2:], "*/")
			if i < 0 {
				return syntaxError("the comment at position %d is not closed", l.pos+1)
			}
			if strings.Contains(rest[2:2+i], "/*") {
				return syntaxError("the comment at position %d holds another one", l.pos+1)
			}
			l.pos += 2 + i + 2
		case rest[0] == 0:
			return syntaxError("zero byte at position %d", l.pos+1)
		default:
			return nil
		}
	}
	return nil
}
