package wire

import "loadline/ingest/native"

// resourceBlock is a batch of rows of the table resources.
type resourceBlock struct {
	block      native.Block
	id         *native.Numbers[uint64]
	env        *native.LowCardinality
	service    *native.LowCardinality
	version    *native.LowCardinality
	instance   *native.Strings
	language   *native.LowCardinality
	attributes *native.Map
	types      *native.LowCardinality
	schemaURL  *native.LowCardinality
	lastSeen   *native.Numbers[uint32]
}

func newResourceBlock() resourceBlock {
	b := resourceBlock{
		id:         native.NewNumbers[uint64]("UInt64"),
		env:        native.NewLowCardinality(),
		service:    native.NewLowCardinality(),
		version:    native.NewLowCardinality(),
		instance:   native.NewStrings(),
		language:   native.NewLowCardinality(),
		attributes: native.NewMap(),
		types:      native.NewLowCardinality(),
		schemaURL:  native.NewLowCardinality(),
		lastSeen:   native.NewNumbers[uint32]("DateTime('UTC')"),
	}
	b.block = native.Block{
		{Name: "resource_id", Column: b.id},
		{Name: "env", Column: b.env},
		{Name: "service", Column: b.service},
		{Name: "version", Column: b.version},
		{Name: "instance", Column: b.instance},
		{Name: "language", Column: b.language},
		{Name: "attributes", Column: b.attributes},
		{Name: "attribute_types", Column: b.types},
		{Name: "schema_url", Column: b.schemaURL},
		{Name: "last_seen", Column: b.lastSeen},
	}
	return b
}

func (b *resourceBlock) append(r *Resource, lastSeen uint32) {
	b.id.Append(r.ID)
	b.env.Append([]byte(r.Env))
	b.service.Append([]byte(r.Service))
	b.version.Append([]byte(r.Version))
	b.instance.AppendString(r.Instance)
	b.language.Append([]byte(r.Language))
	for _, l := range r.Labels {
		b.attributes.Append([]byte(l.Key), []byte(l.Value))
	}
	b.attributes.Close()
	b.types.Append(r.types)
	b.schemaURL.Append([]byte(r.schemaURL))
	b.lastSeen.Append(lastSeen)
}

// deploymentBlock is a batch of rows of the table deployments.
type deploymentBlock struct {
	block                 native.Block
	service, env, version *native.LowCardinality
	first, last           *native.Numbers[uint32]
}

func newDeploymentBlock() deploymentBlock {
	b := deploymentBlock{
		service: native.NewLowCardinality(),
		env:     native.NewLowCardinality(),
		version: native.NewLowCardinality(),
		first:   native.NewNumbers[uint32]("SimpleAggregateFunction(min, DateTime('UTC'))"),
		last:    native.NewNumbers[uint32]("SimpleAggregateFunction(max, DateTime('UTC'))"),
	}
	b.block = native.Block{
		{Name: "service", Column: b.service},
		{Name: "env", Column: b.env},
		{Name: "version", Column: b.version},
		{Name: "first_seen", Column: b.first},
		{Name: "last_seen", Column: b.last},
	}
	return b
}

func (b *deploymentBlock) append(d deployment, first, last uint32) {
	b.service.Append([]byte(d.service))
	b.env.Append([]byte(d.env))
	b.version.Append([]byte(d.version))
	b.first.Append(first)
	b.last.Append(last)
}
