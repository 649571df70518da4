package shop

import (
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
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

	service *service
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

// platform is the SDK, the process and the port of a language.
type platform struct {
	language, sdk, runtime, version, command string
	port                                     int
}

func runtimeOf(lang string) platform {
	switch lang {
	case "java":
		return platform{"java", "1.66.0", "OpenJDK Runtime Environment", "25.0.2+10-LTS", "/usr/lib/jvm/bin/java", 8080}
	case "node":
		return platform{"nodejs", "2.9.0", "nodejs", "24.16.0", "/usr/local/bin/node", 3000}
	case "python":
		return platform{"python", "1.45.0", "cpython", "3.14.4", "/usr/local/bin/python3.14", 8000}
	}
	return platform{"go", "1.47.0", "go", "go1.26.3", "/app/server", 8080}
}

func (m *Model) addInstances() {
	for _, s := range m.services {
		for _, r := range append([]release{{version: s.incidentVersion()}}, s.releases...) {
			if r.version == "" {
				continue
			}
			for i := range s.replicas {
				m.instances[instanceKey{s.name, r.version, i}] = m.newInstance(s, r.version, i)
			}
		}
	}
}

// incidentVersion is the release that only an incident brings.
func (s *service) incidentVersion() string {
	switch s.name {
	case "checkout-api":
		return nPlusOneVersion
	case "catalog-api":
		return canaryVersion
	}
	return ""
}

func (m *Model) newInstance(s *service, version string, i int) *Instance {
	set := letters(hash(m.cfg.Seed, s.name+version, 0), 9)
	h := hash(m.cfg.Seed, s.name+version, int64(i)+1)
	pod := s.name + "-" + set + "-" + letters(h, 5)
	zone := string("abc"[i%3])
	node := fmt.Sprintf("ip-10-0-%d-%d.eu-west-1.compute.internal", 16*(i%3), 20+int(h>>40)%60)
	rt := runtimeOf(s.lang)
	uid := fmt.Sprintf("%08x-%04x-4%03x-9%03x-%012x", h>>32, h>>16&0xffff, h>>4&0xfff, h>>20&0xfff, mix(h)>>16)
	return &Instance{
		Service: s.name, Version: version, Pod: pod, Index: i, Language: rt.language, service: s, node: node,
		address: fmt.Sprintf("10.0.%d.%d", 128+i%3, 2+int(h>>8)%250),
		Resource: []attribute.KeyValue{
			attribute.String("service.name", s.name),
			attribute.String("service.namespace", "shop"),
			attribute.String("service.version", version),
			attribute.String("service.instance.id", uid),
			attribute.String("deployment.environment.name", "production"),
			attribute.String("telemetry.sdk.name", "opentelemetry"),
			attribute.String("telemetry.sdk.language", rt.language),
			attribute.String("telemetry.sdk.version", rt.sdk),
			attribute.String("process.runtime.name", rt.runtime),
			attribute.String("process.runtime.version", rt.version),
			attribute.String("process.executable.path", rt.command),
			attribute.Int("process.pid", 1),
			attribute.String("host.name", pod),
			attribute.String("k8s.cluster.name", "shop-eu-west-1"),
			attribute.String("k8s.namespace.name", "shop"),
			attribute.String("k8s.deployment.name", s.name),
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
func (m *Model) pod(s *service, i int, now incidents) *Instance {
	version := s.releases[len(s.releases)-1].version
	for _, r := range s.releases {
		// Pods are replaced one after the other.
		up := m.cfg.Start.Add(-r.age + time.Duration(i)*rollout/time.Duration(s.replicas))
		if !now.at.Before(up) {
			version = r.version
			break
		}
	}
	switch {
	case s.name == "checkout-api" && now.nPlusOne && float64(i) < now.rollout*float64(s.replicas):
		version = nPlusOneVersion
	case s.name == "catalog-api" && now.canary && i == s.replicas-1:
		version = canaryVersion
	}
	return m.instances[instanceKey{s.name, version, i}]
}

// Running lists the pods that are up at a moment.
func (m *Model) Running(at time.Time) []*Instance {
	now := m.incidents(at)
	var up []*Instance
	for _, s := range m.services {
		for i := range s.replicas {
			up = append(up, m.pod(s, i, now))
		}
	}
	return up
}
