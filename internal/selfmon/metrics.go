package selfmon

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/VictoriaMetrics/metrics"
)

// ServeMetrics answers GET /metrics in the Prometheus text format: the metrics of every package, those of the process
// and the Go runtime, and loadline_build_info.
func ServeMetrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	b := BuildInfo()
	fmt.Fprintf(w, "loadline_build_info{version=%q,commit=%q,goversion=%q} 1\n", b.Version, b.Commit, b.GoVersion)
	metrics.WritePrometheus(w, true)
}

// ServeVersion answers GET /version with the build as JSON.
func ServeVersion(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(BuildInfo())
}

// Handler routes the management endpoints: /metrics, /version, /-/healthy and /-/ready. HEAD is answered like GET.
func Handler(h *Health) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", ServeMetrics)
	mux.HandleFunc("GET /version", ServeVersion)
	mux.HandleFunc("GET /-/healthy", h.ServeHealthy)
	mux.HandleFunc("GET /-/ready", h.ServeReady)
	return mux
}
