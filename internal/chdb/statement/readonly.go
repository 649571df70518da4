package statement

import (
	"strings"

	"loadline/internal/chdb/libchdb"
)

// readVerbs are the statements of a read-only engine.
var readVerbs = map[string]bool{"SELECT": true, "WITH": true, "SHOW": true, "DESCRIBE": true, "DESC": true, "EXISTS": true, "EXPLAIN": true}

// harmless are the table functions that reach nothing but tables of the engine and generated rows.
var harmless = map[string]bool{
	"numbers": true, "numbers_mt": true, "zeros": true, "zeros_mt": true, "primes": true, "generateSeries": true, "generate_series": true,
	"generateRandom": true, "values": true, "SQLStandardValues": true, "null": true, "format": true, "view": true, "viewIfPermitted": true,
	"viewExplain": true, "mergeTreeIndex": true, "mergeTreeProjection": true, "mergeTreeTextIndex": true, "mergeTreeAnalyzeIndexes": true,
	"timeSeriesSelector": true, "timeSeriesMetrics": true, "timeSeriesTags": true, "timeSeriesSamples": true, "timeSeriesData": true,
}

// reaching are functions, not table functions, that read files or name tables in a string.
var reaching = []string{"file", "catboostEvaluate", "hasColumnInTable", "joinGet", "joinGetOrNull"}

// Rules are what a read-only engine refuses.
type Rules struct{ functions map[string]bool }

// NewRules makes the rules for an engine with these table functions: each that is not known to be harmless is refused, so
// that those of a newer engine are refused too.
func NewRules(tableFunctions []string) Rules {
	refused := map[string]bool{}
	for _, name := range append(tableFunctions, reaching...) {
		if !harmless[name] {
			refused[strings.ToLower(name)] = true
		}
	}
	return Rules{refused}
}

// Refusal is the error for what a read-only engine does not do.
func Refusal(what string) error {
	return libchdb.NewError("Code: 164. DB::Exception: " + what + " is not allowed: this engine is read-only (READONLY)")
}

// Check refuses whatever could change data, read files, open connections or write files. The session is sealed
// with readonly=1 as well; this check covers what that setting lets through: INTO OUTFILE, the scalar file(), and the
// database "default", in which every file of the machine is a table.
func (r Rules) Check(st *Statement) error {
	if !readVerbs[st.Verb] {
		return Refusal("the statement " + st.Verb)
	}
	for i, t := range st.tokens {
		text := st.Text[t.start:t.end]
		switch t.kind {
		case word:
		case quotedName:
			if strings.Contains(text, `\`) {
				return Refusal("a backslash in a quoted name")
			}
			text = text[1 : len(text)-1]
		default:
			continue
		}
		lower := strings.ToLower(text)
		switch {
		case lower == "default" || strings.HasPrefix(lower, "default."):
			return Refusal("the database \"default\"")
		case lower == "outfile" || lower == "infile":
			return Refusal("INTO OUTFILE or FROM INFILE")
		case t.kind == word && lower == "identifier":
			return Refusal("a parameter of type Identifier")
		case r.functions[lower] && i+1 < len(st.tokens) && st.Text[st.tokens[i+1].start] == '(':
			return Refusal("the function " + lower + "()")
		}
	}
	return nil
}
