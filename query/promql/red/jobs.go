package red

import (
	"context"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/prometheus/model/labels"

	"loadline/internal/clickhouse"
	"loadline/query/sql"
)

// resource is what the rollups know of who sent a span.
type resource struct{ service, env, version string }

// jobsAge is how old the namespaces of services may be.
const jobsAge = 10 * time.Second

// jobs knows the namespaces of services, which the rollups do not have. It asks at most every jobsAge.
type jobs struct {
	db  *clickhouse.DB
	now func() time.Time

	mu    sync.Mutex
	known map[resource]string // jobs of services with a namespace; replaced, never changed
	asked time.Time
}

// jobsFor returns the jobs when a family needs them.
func (v *Metrics) jobsFor(ctx context.Context, f *family) (map[resource]string, error) {
	if !f.job {
		return nil, nil
	}
	return v.jobs.get(ctx)
}

func (j *jobs) get(ctx context.Context) (map[resource]string, error) {
	now := j.now()
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.known != nil && now.Sub(j.asked) < jobsAge && !now.Before(j.asked) {
		return j.known, nil
	}
	known := map[resource]string{}
	// Of the namespaces of one service name, which the rollups cannot tell apart, always the same is taken.
	err := sql.Scan(ctx, j.db, "namespaces of services", `
SELECT service, env, version, min(attributes['service.namespace']) AS namespace
FROM resources
WHERE attributes['service.namespace'] != ''
GROUP BY service, env, version
LIMIT 100000`, nil, func(rows driver.Rows) error {
		var r resource
		var namespace string
		err := rows.Scan(&r.service, &r.env, &r.version, &namespace)
		known[r] = namespace + "/" + r.service
		return err
	})
	if err != nil {
		return nil, err
	}
	j.known, j.asked = known, now
	return known, nil
}

// jobOf is the job of a resource: the namespace, if there is one, and the service.
func jobOf(known map[resource]string, r resource) string {
	if job, ok := known[r]; ok {
		return job
	}
	return r.service
}

// pushJob adds to w what a matcher of the job says of the service.
func pushJob(w *sql.Where, known map[resource]string, m *labels.Matcher) {
	jobs := m.SetMatches()
	switch {
	case m.Type == labels.MatchEqual:
		jobs = []string{m.Value}
	case m.Type != labels.MatchRegexp || len(jobs) == 0:
		return
	}
	services := append([]string{}, jobs...)
	for r, job := range known {
		if m.Matches(job) {
			services = append(services, r.service)
		}
	}
	w.Add("service IN (" + w.Texts(services) + ")")
}
