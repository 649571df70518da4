package chdb

import (
	"strings"
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

// forbiddenFunctions lists, in lower case, what a read-only client may not call: every table function of this engine that
// is not known to be harmless, so that those of a newer engine are refused too.
func (e *Engine) forbiddenFunctions() (map[string]bool, error) {
	r := e.control.query("SELECT name FROM system.table_functions", "TSV", nil)
	defer r.free()
	if err := r.err(); err != nil {
		return nil, err
	}
	refused := map[string]bool{}
	for _, name := range append(strings.Fields(string(r.bytes())), reaching...) {
		if !harmless[name] {
			refused[strings.ToLower(name)] = true
		}
	}
	return refused, nil
}

func refusal(what string) error {
	return newError("Code: 164. DB::Exception: " + what + " is not allowed: this engine is read-only (READONLY)")
}

// checkReadOnly refuses whatever could change data, read files, open connections or write files. The session is sealed
// with readonly=1 as well; this check covers what that setting lets through: INTO OUTFILE, the scalar file(), and the
// database "default", in which every file of the machine is a table.
func (e *Engine) checkReadOnly(st *statement) error {
	if !readVerbs[st.verb] {
		return refusal("the statement " + st.verb)
	}
	for i, t := range st.tokens {
		text := st.text[t.start:t.end]
		switch t.kind {
		case word:
		case quotedName:
			if strings.Contains(text, `\`) {
				return refusal("a backslash in a quoted name")
			}
			text = text[1 : len(text)-1]
		default:
			continue
		}
		lower := strings.ToLower(text)
		switch {
		case lower == "default" || strings.HasPrefix(lower, "default."):
			return refusal("the database \"default\"")
		case lower == "outfile" || lower == "infile":
			return refusal("INTO OUTFILE or FROM INFILE")
		case t.kind == word && lower == "identifier":
			return refusal("a parameter of type Identifier")
		case e.refused[lower] && i+1 < len(st.tokens) && st.text[st.tokens[i+1].start] == '(':
			return refusal("the function " + lower + "()")
		}
	}
	return nil
}
