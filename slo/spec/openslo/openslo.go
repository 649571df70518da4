// Package openslo reads OpenSLO v1 (https://github.com/OpenSLO/OpenSLO, README at aa5cb78). What it does not
// say is in annotations and in a type of metric source of our own:
//
//	metadata.annotations:
//	  loadline.dev/owner, loadline.dev/runbook, loadline.dev/notify (names, separated by commas)
//	  loadline.dev/alert       when it alerts, as alert of the short form, in YAML
//	  loadline.dev/slices      "good when empty", "bad when empty" or "ignored when empty"
//	  loadline.dev/objectives  names of the objectives in their order, separated by commas
//	  loadline.dev/composite   "none" where objectives with indicators of their own make no composite
//
//	metricSource of type loadline counts spans:
//	  total.metricSource.spec: service, env, operations, kinds, where, group_by, max_groups
//	  good.metricSource.spec:  good, bad (as in the short form), or bad.metricSource.spec: bad
//	  raw.metricSource.spec:   combine (other SLOs)
package openslo

import (
	"fmt"
	"regexp"
	"strings"

	"loadline/slo/spec"
	"loadline/slo/spec/document"
	"loadline/slo/spec/native"
)

// Version is the apiVersion that is read, Prefix begins the names of our own annotations.
const (
	Version = "openslo/v1"
	Prefix  = "loadline.dev/"
)

// Object is an object of any kind, checked as far as it can be without the others.
type Object struct {
	Kind, Name string

	place     spec.Problem // of the object
	slo       *slo
	sli       *sli
	source    *dataSource
	policy    *policy
	condition *condition
}

// Is reports whether a document is of OpenSLO, of whichever version.
func Is(d *document.Document) bool {
	return d.Root.IsMap() && strings.HasPrefix(d.Root.Map().Get("apiVersion").Scalar(), "openslo")
}

// Read reads a document. Problems are in the document; with an error among them the object is not to be used.
func Read(d *document.Document) *Object {
	m := d.Root.Map()
	if v := m.Get("apiVersion"); v.Scalar() != Version {
		v.Error(fmt.Sprintf("version %q is not read", v.Scalar()), "write apiVersion: "+Version)
		return &Object{}
	}
	kind := m.Require("kind", "write one of "+strings.Join(kinds(), ", "))
	o := &Object{Kind: kind.Text()}
	meta := readMetadata(m.Require("metadata", "write metadata with a name"))
	o.Name, o.place = meta.name, d.Root.Problem()
	d.Name(fmt.Sprintf("%s %q", o.Kind, o.Name))
	o.place.Object = fmt.Sprintf("%s %q", o.Kind, o.Name)
	body := m.Require("spec", "write what the object is about")
	if body.Set() {
		o.read(kind, meta, body)
	}
	m.Done()
	return o
}

func kinds() []string {
	return []string{"SLO", "SLI", "Service", "DataSource", "AlertPolicy", "AlertCondition", "AlertNotificationTarget"}
}

func (o *Object) read(kind document.Value, meta metadata, body document.Value) {
	if kind.Text() != "SLO" {
		meta.refuse()
	}
	m := body.Map()
	switch kind.Text() {
	case "SLO":
		o.slo = readSLO(meta, m)
	case "SLI":
		o.sli = readSLI(m)
	case "Service":
		describe(m)
	case "DataSource":
		describe(m)
		o.source = &dataSource{kind: m.Require("type", "name the kind of source, such as prometheus").Text()}
		m.Get("connectionDetails")
	case "AlertPolicy":
		o.policy = readPolicy(m)
	case "AlertCondition":
		o.condition = readCondition(m)
		o.condition.name = o.Name
	case "AlertNotificationTarget":
		describe(m)
		m.Require("target", "name the kind of target, such as slack")
	default:
		kind.Error(fmt.Sprintf("kind %q is unknown", kind.Text()), "write one of "+strings.Join(kinds(), ", "))
		return
	}
	m.Done()
}

type dataSource struct{ kind string }

const maxDescription = 1050

func describe(m *document.Map) string {
	v := m.Get("description")
	text := v.Text()
	if n := len([]rune(text)); n > maxDescription {
		v.Error(fmt.Sprintf("has %d characters, more than %d", n, maxDescription), "shorten it")
	}
	return text
}

// metadata are those of any object.
type metadata struct {
	name, displayName string
	labels            map[string][]string
	annotations       map[string]string
	ours              map[string]document.Value // annotations of this product, without their Prefix
}

func readMetadata(v document.Value) metadata {
	m := v.Map()
	name := m.Require("name", spec.NameRemedy)
	meta := metadata{
		name: name.Text(), displayName: m.Get("displayName").Text(), labels: native.Labels(m.Get("labels")),
		ours: map[string]document.Value{},
	}
	if meta.name != "" && !spec.ValidName(meta.name) {
		// The specification's own examples have upper-case letters in names that nothing shows to people.
		name.Warn(fmt.Sprintf("%q is no RFC 1123 label", meta.name), spec.NameRemedy)
	}
	annotations := m.Get("annotations").Map()
	for _, key := range annotations.Names() {
		value := annotations.Get(key)
		if ours, ok := strings.CutPrefix(key, Prefix); ok {
			meta.ours[ours] = value
			continue
		}
		if meta.annotations == nil {
			meta.annotations = map[string]string{}
		}
		meta.annotations[key] = value.Scalar()
	}
	m.Done()
	return meta
}

// take returns an annotation of this product.
func (meta *metadata) take(key string) document.Value {
	v := meta.ours[key]
	delete(meta.ours, key)
	return v
}

// refuse reports annotations of this product that nobody took.
func (meta *metadata) refuse() {
	for key, v := range meta.ours {
		v.Error(fmt.Sprintf("annotation %q is unknown here", Prefix+key),
			"those of an SLO are owner, runbook, notify, alert, slices, objectives and composite")
	}
}

// reference is the name of another object, and where it stands.
type reference struct {
	name string
	at   spec.Problem
}

func refer(v document.Value) reference { return reference{name: v.Text(), at: v.Problem()} }

// inlined reads an object that stands inside of another one and gives its fields to read.
func inlined(v document.Value, kind string, read func(name string, body *document.Map)) {
	m := v.Map()
	if k := m.Get("kind"); k.Set() && k.Text() != kind {
		k.Error(fmt.Sprintf("is %q where %s is expected", k.Text(), kind), "write kind: "+kind)
	}
	m.Get("apiVersion")
	meta := metadata{}
	if at := m.Get("metadata"); at.Set() {
		meta = readMetadata(at)
	}
	body := m.Require("spec", "write what the "+kind+" is about").Map()
	read(meta.name, body)
	body.Done()
	m.Done()
}

var shorthand = regexp.MustCompile(`^([0-9]+)([mhdwMQY])$`)

const shorthandRemedy = "write a whole number and one of m, h, d, w, M, Q and Y, such as 28d"
