package attribute

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOf(t *testing.T) {
	f := func(key string, want Key) {
		t.Helper()
		if diff := cmp.Diff(want, Of(key)); diff != "" {
			t.Errorf("%s: %s", key, diff)
		}
	}
	f("user.id", Key{[]string{"user.id"}, true, true})
	f("span.user.id", Key{[]string{"user.id"}, true, false})
	f("resource.user.id", Key{[]string{"user.id"}, false, true})
	f("k8s.pod.name", Key{[]string{"k8s.pod.name"}, false, true})
	f("span.k8s.pod.name", Key{[]string{"k8s.pod.name"}, true, false})
	f("http.request.method", Key{[]string{"http.request.method", "http.method"}, true, true})
	f("http.method", Key{[]string{"http.request.method", "http.method"}, true, true})
	f("rpc.grpc.status_code", Key{[]string{"rpc.status_code", "rpc.grpc.status_code"}, true, true})
	f("rpc.response.status_code", Key{[]string{"rpc.response.status_code", "rpc.grpc.status_code"}, true, true})
	f("http.target", Key{[]string{"url.path", "http.target"}, true, true})
}
