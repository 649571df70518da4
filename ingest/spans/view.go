package spans

import (
	"slices"

	"loadline/ingest/native"
	"loadline/ingest/wire"
)

// View is the rows of a Builder for those who read them: columns of the table spans, in the order in which the spans came.
// It is valid until Reset.
type View struct {
	Slice                                  []uint32
	Duration                               []uint64
	Env, Service, Version, Operation, Name *native.LowCardinality
	ErrorType, Peer, PeerType, Scope       *native.LowCardinality
	Kind, Status                           []int8
	Failed                                 []uint8
	HTTPStatus                             []uint16
	Weight                                 []float64
	Attributes                             *native.Map
	ResourceID                             []uint64

	resources map[uint64]*wire.Resource
	parentID  *native.Fixed
}

// View returns the rows.
func (b *Builder) View() View {
	c := b.columns
	return View{
		Slice: c.slice.Values, Duration: c.duration.Values, Env: c.env, Service: c.service, Version: c.version,
		Operation: c.operation, Name: c.name, ErrorType: c.errorType, Peer: c.peer, PeerType: c.peerType, Scope: c.scope,
		Kind: c.kind.Values, Status: c.status.Values, Failed: c.failed.Values, HTTPStatus: c.httpStatus.Values,
		Weight: c.weight.Values, Attributes: c.attributes, ResourceID: c.resourceID.Values,
		resources: b.seen, parentID: c.parentID,
	}
}

// Rows is the number of spans.
func (v *View) Rows() int { return len(v.Slice) }

// Root says whether a span has no parent.
func (v *View) Root(row int) bool { return [8]byte(v.parentID.Row(row)) == [8]byte{} }

// Attribute returns the stored text of an attribute of a span or of its resource.
func (v *View) Attribute(row int, name string, ofResource bool) (text string, ok bool) {
	if ofResource {
		return v.Resource(row).Attribute(name)
	}
	number, ok := v.Attributes.Keys.Find(name)
	if !ok {
		return "", false
	}
	keys, first := v.Attributes.Row(row)
	if i := slices.Index(keys, number); i >= 0 {
		return string(v.Attributes.Value(first + i)), true
	}
	return "", false
}

// Resource is the resource of a span.
func (v *View) Resource(row int) *wire.Resource { return v.resources[v.ResourceID[row]] }
