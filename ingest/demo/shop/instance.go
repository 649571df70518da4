package shop

import (
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"loadline/ingest/demo/shop/blueprint"
)

// Instance is one pod of one release of a service.
type Instance struct {
	Service, Version, Pod string
	// Index counts the pods of a service from 0.
	Index int
	// Language is the SDK's: go, java, nodejs, python.
	Language string
	// Resource is what the SDK and the resource detectors of the pod report.
	Resource []attribute.KeyValue

	service *blueprint.Service
	node    string
	address string
}

type instanceKey struct {
	service, version string
	index            int
}

// alphabet is the one that Kubernetes draws names of pods from.
const alphabet = "bcdfghjklmnpqrstvwxz2456789"

func letters(h uint64, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[h%uint64(len(alphabet))]
		h /= uint64(len(alphabet))
	}
	return string(b)
}

func (m *Model) addInstances() {
	for _, s := range m.services {
		for _, r := range append([]blueprint.Release{{Version: s.IncidentVersion()}}, s.Releases...) {
			if r.Version == "" {
				continue
			}
			for i := range s.Replicas {
				m.instances[instanceKey{s.Name, r.Version, i}] = m.newInstance(s, r.Version, i)
			}
		}
	}
}

func (m *Model) newInstance(s *blueprint.Service, version string, i int) *Instance {
	set := letters(hash(m.cfg.Seed, s.Name+version, 0), 9)
	h := hash(m.cfg.Seed, s.Name+version, int64(i)+1)
	pod := s.Name + "-" + set + "-" + letters(h, 5)
	zone := string("abc"[i%3])
	node := fmt.Sprintf("ip-10-0-%d-%d.eu-west-1.compute.internal", 16*(i%3), 20+int(h>>40)%60)
	rt := blueprint.PlatformOf(s.Lang)
	uid := fmt.Sprintf("%08x-%04x-4%03x-9%03x-%012x", h>>32, h>>16&0xffff, h>>4&0xfff, h>>20&0xfff, mix(h)>>16)
	return &Instance{
		Service: s.Name, Version: version, Pod: pod, Index: i, Language: rt.Language, service: s, node: node,
		address: fmt.Sprintf("10.0.%d.%d", 128+i%3, 2+int(h>>8)%250),
		Resource: []attribute.KeyValue{
			attribute.String("service.name", s.Name),
			attribute.String("service.namespace", "shop"),
			attribute.String("service.version", version),
			attribute.String("service.instance.id", uid),
			attribute.String("deployment.environment.name", "production"),
			attribute.String("telemetry.sdk.name", "opentelemetry"),
			attribute.String("telemetry.sdk.language", rt.Language),
			attribute.String("telemetry.sdk.version", rt.SDK),
			attribute.String("process.runtime.name", rt.Runtime),
			attribute.String("process.runtime.version", rt.Version),
			attribute.String("process.executable.path", rt.Command),
			attribute.Int("process.pid", 1),
			attribute.String("host.name", pod),
			attribute.String("k8s.cluster.name", "shop-eu-west-1"),
			attribute.String("k8s.namespace.name", "shop"),
			attribute.String("k8s.deployment.name", s.Name),
			attribute.String("k8s.pod.name", pod),
			attribute.String("k8s.pod.uid", uid),
			attribute.String("k8s.node.name", node),
			attribute.String("cloud.provider", "aws"),
			attribute.String("cloud.region", "eu-west-1"),
			attribute.String("cloud.availability_zone", "eu-west-1"+zone),
		},
	}
}

// pod returns the instance that pod number i of a service is at a moment.
func (m *Model) pod(s *blueprint.Service, i int, now incidents) *Instance {
	version := s.Releases[len(s.Releases)-1].Version
	for _, r := range s.Releases {
		// Pods are replaced one after the other.
		up := m.cfg.Start.Add(-r.Age + time.Duration(i)*blueprint.Rollout/time.Duration(s.Replicas))
		if !now.at.Before(up) {
			version = r.Version
			break
		}
	}
	switch {
	case s.Name == "checkout-api" && now.nPlusOne && float64(i) < now.rollout*float64(s.Replicas):
		version = blueprint.NPlusOneVersion
	case s.Name == "catalog-api" && now.canary && i == s.Replicas-1:
		version = blueprint.CanaryVersion
	}
	return m.instances[instanceKey{s.Name, version, i}]
}

// Running lists the pods that are up at a moment.
func (m *Model) Running(at time.Time) []*Instance {
	now := m.incidents(at)
	var up []*Instance
	for _, s := range m.services {
		for i := range s.Replicas {
			up = append(up, m.pod(s, i, now))
		}
	}
	return up
}
