package promapi

import "testing"

func TestInstantQuery(t *testing.T) {
	a := newAPI(t, sample(), nil)
	f := func(query, at, document string) {
		t.Helper()
		v := form("query", query, "time", at)
		want(t, a, getRequest("/api/v1/query", v), 200, document)
		want(t, a, postRequest("/api/v1/query", v), 200, document)
	}
	f("1+1", "4", `{"status":"success","data":{"resultType":"scalar","result":[4,"2"]}}`)
	f(`"a<b"`, "4.5", `{"status":"success","data":{"resultType":"string","result":[4.5,"a\u003cb"]}}`)
	f("up", "1800000060.5", `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"up","job":"shop"},"value":[1800000060.500,"0.5"]}]}}`)
	f("up", "2027-01-15T08:01:00Z", `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"up","job":"shop"},"value":[1800000060,"0.5"]}]}}`)
	f("nothing", "4", `{"status":"success","data":{"resultType":"vector","result":[]}}`)
	f("up[30s]", "1800000060", `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"up","job":"shop"},"values":[[1800000045,"1"],[1800000060,"0.5"]]}]}}`)
	f(`{"http.server.duration"}`, "1800000060", `{"status":"success","data":{"resultType":"vector","result":[
		{"metric":{"__name__":"http.server.duration","service.name":"<shop> & \"co\""},"value":[1800000060,"2"]}]}}`)
}
