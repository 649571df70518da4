package wire

import (
	"errors"
	"fmt"

	"github.com/VictoriaMetrics/easyproto"
)

// Visitor is called for the parts of an export request, in order: a resource, its scopes, their items. All three
// signals have the same envelope. Data views the request body; a non-nil error ends the walk.
type Visitor struct {
	Resource func(resource, schemaURL []byte) error
	Scope    func(scope, schemaURL []byte) error
	Item     func(item []byte) error
}

// Walk reads an Export{Trace,Metrics,Logs}ServiceRequest. A resource is visited before its items also when it stands
// behind them on the wire. An error of Walk itself means that the bytes are not such a request.
func Walk(body []byte, v Visitor) error {
	return EachMessage(body, 1, func(data []byte) error {
		resource, schemaURL, err := header(data)
		if err != nil {
			return err
		}
		if err := v.Resource(resource, schemaURL); err != nil {
			return err
		}
		return EachMessage(data, 2, func(data []byte) error {
			scope, schemaURL, err := header(data)
			if err != nil {
				return err
			}
			if err := v.Scope(scope, schemaURL); err != nil {
				return err
			}
			return EachMessage(data, 2, v.Item)
		})
	})
}

// header returns fields 1 (resource or scope) and 3 (schema_url) of a Resource* or Scope* message.
func header(data []byte) (head, schemaURL []byte, err error) {
	var fc easyproto.FieldContext
	for len(data) > 0 {
		if data, err = fc.NextField(data); err != nil {
			return nil, nil, fmt.Errorf("read request: %w", err)
		}
		ok := true
		switch fc.FieldNum {
		case 1:
			head, ok = fc.MessageData()
		case 3:
			schemaURL, ok = fc.Bytes()
		}
		if !ok {
			return nil, nil, fmt.Errorf("read request: field %d has the wrong wire type", fc.FieldNum)
		}
	}
	return head, schemaURL, nil
}

// EachMessage calls f with the messages in the fields with the given number. An error of EachMessage itself means that the
// bytes are malformed.
func EachMessage(data []byte, field uint32, f func([]byte) error) error {
	var fc easyproto.FieldContext
	var err error
	for len(data) > 0 {
		if data, err = fc.NextField(data); err != nil {
			return fmt.Errorf("read request: %w", err)
		}
		if fc.FieldNum != field {
			continue
		}
		message, ok := fc.MessageData()
		if !ok {
			return errors.New("read request: a message has the wrong wire type")
		}
		if err := f(message); err != nil {
			return err
		}
	}
	return nil
}

// Attributes reads the KeyValue fields with the given number of a message into dst. A value nested too deep is
// reported once the rest is read.
func Attributes(dst []Attribute, data []byte, field uint32) ([]Attribute, error) {
	var tooDeep error
	err := EachMessage(data, field, func(message []byte) error {
		a, err := DecodeAttribute(message)
		if errors.Is(err, ErrTooDeep) {
			tooDeep = err
			return nil
		}
		if err == nil && len(dst) < MaxAttributes {
			dst = append(dst, a)
		}
		return err
	})
	return dst, errors.Join(err, tooDeep)
}

// Scopes renders instrumentation scopes: name, then "@version" and the attributes as JSON where there are any, all cut at
// MaxNameBytes.
type Scopes map[string]string

// Text returns the text of an encoded InstrumentationScope.
func (s Scopes) Text(scope []byte) (string, error) {
	if text, ok := s[string(scope)]; ok {
		return text, nil
	}
	text, err := renderScope(scope)
	if err != nil {
		return "", err
	}
	if len(s) >= maxCached {
		clear(s)
	}
	s[string(scope)] = text
	return text, nil
}

// CheckScope reports whether a scope can be rendered.
func CheckScope(scope []byte) error {
	_, err := renderScope(scope)
	return err
}

func renderScope(scope []byte) (string, error) {
	name, _, err := easyproto.GetString(scope, 1)
	if err != nil {
		return "", fmt.Errorf("read scope name: %w", err)
	}
	version, _, err := easyproto.GetString(scope, 2)
	if err != nil {
		return "", fmt.Errorf("read scope version: %w", err)
	}
	attributes, err := Attributes(nil, scope, 3)
	if err != nil && !errors.Is(err, ErrTooDeep) {
		return "", err
	}
	text := []byte(name)
	if version != "" {
		text = append(append(text, '@'), version...)
	}
	if len(attributes) > 0 {
		text = AppendJSONObject(append(text, ' '), attributes)
	}
	return string(Name(text)), nil
}

// AppendJSONObject renders attributes as a JSON object.
func AppendJSONObject(dst []byte, attributes []Attribute) []byte {
	dst = append(dst, '{')
	for i, a := range attributes {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(AppendJSONString(dst, a.Key), ':')
		dst = a.Value.AppendJSON(dst)
	}
	return append(dst, '}')
}
