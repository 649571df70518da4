package ast

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
)

func TestDescribe(t *testing.T) {
	p := parser.NewParser(parser.Options{EnableExperimentalFunctions: true, EnableBinopFillModifiers: true})
	f := func(query, want string) {
		t.Helper()
		expr, err := p.ParseExpr(query)
		if err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(Describe(expr))
		if err != nil {
			t.Fatal(err)
		}
		if want = strings.NewReplacer("\n", "", "\t", "").Replace(want); string(got) != want {
			t.Errorf("%s:\ngot  %s\nwant %s", query, got, want)
		}
	}
	f("1.5", `{"type":"numberLiteral","val":"1.5"}`)
	f(`"s"`, `{"type":"stringLiteral","val":"s"}`)
	f("-(up)", `{"expr":{"expr":{"anchored":false,"matchers":[{"name":"__name__","type":"=","value":"up"}],"name":"up","offset":0,"offsetExpr":null,"smoothed":false,"startOrEnd":null,"timestamp":null,"type":"vectorSelector"},"type":"parenExpr"},"op":"-","type":"unaryExpr"}`)
	f(`rate(x{a!~"b"}[5m] @ end() offset 1m)`, `{"args":[{"anchored":false,"matchers":[{"name":"a","type":"!~","value":"b"},{"name":"__name__","type":"=","value":"x"}],
		"name":"x","offset":60000,"offsetExpr":null,"range":300000,"rangeExpr":null,"smoothed":false,"startOrEnd":"end","timestamp":null,"type":"matrixSelector"}],
		"func":{"argTypes":["matrix"],"name":"rate","returnType":"vector","variadic":0},"type":"call"}`)
	f("quantile without (a) (0.5, vector(1))", `{"expr":{"args":[{"type":"numberLiteral","val":"1"}],"func":{"argTypes":["scalar"],"name":"vector","returnType":"vector","variadic":0},"type":"call"},
		"grouping":["a"],"op":"quantile","param":{"type":"numberLiteral","val":"0.5"},"type":"aggregation","without":true}`)
	f("vector(1) == bool on (a) group_left (b) vector(2)", `{"bool":true,"lhs":{"args":[{"type":"numberLiteral","val":"1"}],"func":{"argTypes":["scalar"],"name":"vector","returnType":"vector","variadic":0},"type":"call"},
		"matching":{"card":"many-to-one","fillValues":{"lhs":null,"rhs":null},"include":["b"],"labels":["a"],"on":true},"op":"==",
		"rhs":{"args":[{"type":"numberLiteral","val":"2"}],"func":{"argTypes":["scalar"],"name":"vector","returnType":"vector","variadic":0},"type":"call"},"type":"binaryExpr"}`)
	f("sum(vector(1))[5m:1m] @ 4", `{"expr":{"expr":{"args":[{"type":"numberLiteral","val":"1"}],"func":{"argTypes":["scalar"],"name":"vector","returnType":"vector","variadic":0},"type":"call"},
		"grouping":[],"op":"sum","param":null,"type":"aggregation","without":false},"offset":0,"offsetExpr":null,"range":300000,"rangeExpr":null,"startOrEnd":null,"step":60000,"stepExpr":null,"timestamp":4000,"type":"subquery"}`)
	f("up offset (1m + 5)", `{"anchored":false,"matchers":[{"name":"__name__","type":"=","value":"up"}],"name":"up","offset":0,
		"offsetExpr":{"lhs":{"duration":true,"type":"numberLiteral","val":"60"},"op":"+","rhs":{"duration":false,"type":"numberLiteral","val":"5"},"type":"durationExpr","wrapped":true},
		"smoothed":false,"startOrEnd":null,"timestamp":null,"type":"vectorSelector"}`)
}

func TestNothing(t *testing.T) {
	if Describe(nil) != nil || duration((*parser.DurationExpr)(nil)) != nil || duration((*parser.NumberLiteral)(nil)) != nil {
		t.Error("nothing is described as something")
	}
}
