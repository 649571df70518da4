package wire

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"

	"loadline/ingest/native"
)

// maxCached bounds the resources and scopes that are remembered between requests.
const maxCached = 20_000

// refreshSeconds is how old a stored last_seen may become before it is written again.
const refreshSeconds = 3600

// Resource is a decoded Resource. Two encodings of the same attributes have the same ID.
type Resource struct {
	ID       uint64
	Env      string
	Service  string
	Version  string
	Instance string
	Language string
	// Job and the instance are the identity of Prometheus: service.namespace/service.name and service.instance.id.
	Job string
	// Labels are all attributes in key order, their values as stored.
	Labels []Label

	types     []byte
	schemaURL string
	seen      seen
}

// Label is an attribute with its value as text.
type Label struct{ Key, Value string }

// seen is the range of slices, in Unix seconds, in which something was observed, and what of it is stored.
type seen struct {
	first, last             uint32 // of the batch that is being built; last is 0 when it has none
	storedFirst, storedLast uint32
}

func (s *seen) observe(slice uint32) {
	if s.last == 0 || slice < s.first {
		s.first = slice
	}
	s.last = max(s.last, slice)
}

// flush says whether the batch tells something new enough to store, and starts the next batch.
func (s *seen) flush() (first, last uint32, store bool) {
	first, last = s.first, s.last
	s.first, s.last = 0, 0
	if last == 0 {
		return 0, 0, false
	}
	if s.storedLast != 0 && first >= s.storedFirst && last < s.storedLast+refreshSeconds {
		return 0, 0, false
	}
	if s.storedLast == 0 || first < s.storedFirst {
		s.storedFirst = first
	}
	s.storedLast = max(s.storedLast, last)
	return first, last, true
}

type deployment struct{ service, env, version string }

// Resources decodes resources, remembers them, and builds the rows of the tables resources and deployments for those
// that are new or whose last_seen is old. It belongs to one goroutine.
type Resources struct {
	cache       map[uint64]*Resource // by hash of the encoding
	deployments map[deployment]*seen
	resources   resourceBlock
	deployed    deploymentBlock
}

// NewResources returns an empty cache.
func NewResources() *Resources {
	return &Resources{
		cache:       map[uint64]*Resource{},
		deployments: map[deployment]*seen{},
		resources:   newResourceBlock(),
		deployed:    newDeploymentBlock(),
	}
}

// Decode returns the resource with the given encoding. It reports ErrTooDeep for a value nested too deep.
func (c *Resources) Decode(data, schemaURL []byte) (*Resource, error) {
	digest := xxhash.New()
	_, _ = digest.Write(data)
	_, _ = digest.Write(schemaURL)
	key := digest.Sum64()
	if r, ok := c.cache[key]; ok {
		return r, nil
	}
	r, err := decodeResource(data, schemaURL)
	if err != nil {
		return nil, err
	}
	if len(c.cache) >= maxCached {
		c.evict()
	}
	c.cache[key] = r
	return r, nil
}

// evict forgets what the batch under construction does not use.
func (c *Resources) evict() {
	for key, r := range c.cache {
		if r.seen.last == 0 {
			delete(c.cache, key)
		}
	}
}

// CheckResource reports whether a resource can be decoded.
func CheckResource(data []byte) error {
	return EachMessage(data, 1, func(message []byte) error {
		_, err := DecodeAttribute(message)
		return err
	})
}

func decodeResource(data, schemaURL []byte) (*Resource, error) {
	attributes, err := Attributes(nil, data, 1)
	if err != nil {
		return nil, fmt.Errorf("read resource: %w", err)
	}
	// Last of equal keys wins: a stable sort keeps their order, compaction from the back keeps the last.
	slices.SortStableFunc(attributes, func(a, b Attribute) int { return bytes.Compare(a.Key, b.Key) })
	r := &Resource{schemaURL: string(schemaURL)}
	digest := xxhash.New()
	for i, a := range attributes {
		if i+1 < len(attributes) && bytes.Equal(a.Key, attributes[i+1].Key) {
			continue
		}
		text, _, typ := a.Value.Text(nil)
		r.Labels = append(r.Labels, Label{string(Name(a.Key)), string(text)})
		r.types = append(r.types, typ)
		_, _ = digest.Write(a.Key)
		_, _ = digest.Write([]byte{0xff, typ})
		_, _ = digest.Write(text)
		_, _ = digest.Write([]byte{0xff})
	}
	r.ID = digest.Sum64()
	r.Service = r.first("service.name")
	if r.Service == "" {
		r.Service = "unknown_service"
	}
	r.Job = r.Service
	if namespace := r.first("service.namespace"); namespace != "" {
		r.Job = namespace + "/" + r.Service
	}
	r.Env = r.first("deployment.environment.name", "deployment.environment")
	r.Version = r.first("service.version")
	r.Instance = r.first("service.instance.id")
	r.Language = r.first("telemetry.sdk.language")
	return r, nil
}

// first returns the value, which is a name, of the first of the keys that is set.
func (r *Resource) first(keys ...string) string {
	for _, key := range keys {
		if text, _ := r.Attribute(key); text != "" {
			return string(Name([]byte(text)))
		}
	}
	return ""
}

// Attribute returns the stored text of an attribute.
func (r *Resource) Attribute(key string) (text string, ok bool) {
	i, ok := slices.BinarySearchFunc(r.Labels, key, func(l Label, key string) int { return strings.Compare(l.Key, key) })
	if !ok {
		return "", false
	}
	return r.Labels[i].Value, true
}

// Observe notes that the resource produced something in the slice that starts at the given Unix second.
func (r *Resource) Observe(slice uint32) { r.seen.observe(slice) }

// Flush ends the batch and returns the blocks for the tables resources and deployments, either of which may be empty.
// The blocks are valid until the next call.
func (c *Resources) Flush() (resources, deployments native.Block) {
	c.resources.block.Reset()
	c.deployed.block.Reset()
	for _, r := range c.cache {
		if r.Version != "" && r.seen.last != 0 {
			c.observeDeployment(r)
		}
		if _, last, store := r.seen.flush(); store {
			c.resources.append(r, last)
		}
	}
	for d, s := range c.deployments {
		if first, last, store := s.flush(); store {
			c.deployed.append(d, first, last)
		}
	}
	return c.resources.block, c.deployed.block
}

func (c *Resources) observeDeployment(r *Resource) {
	d := deployment{r.Service, r.Env, r.Version}
	s := c.deployments[d]
	if s == nil {
		if len(c.deployments) >= maxCached {
			clear(c.deployments)
		}
		s = &seen{}
		c.deployments[d] = s
	}
	s.observe(r.seen.first)
	s.observe(r.seen.last)
}
