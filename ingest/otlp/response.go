package otlp

import (
	"encoding/json"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"

	"loadline/ingest"
)

// maxPartialMessage is where the message of a partial success is cut, in bytes. Clients need not read answers of more
// than 4 MiB, and nobody reads a message of this length.
const maxPartialMessage = 64 << 10

// rejectedKeys are the JSON names of the count of rejected items.
var rejectedKeys = map[ingest.Signal]string{
	ingest.Traces:  "rejectedSpans",
	ingest.Metrics: "rejectedDataPoints",
	ingest.Logs:    "rejectedLogRecords",
}

// encodeResponse encodes an Export*ServiceResponse. Its three kinds have the same field numbers: partial_success is 1,
// and in it the count of rejected items is 1 and the message is 2. Full success is the empty message.
func encodeResponse(signal ingest.Signal, result ingest.Result, asJSON bool) []byte {
	message := truncate(result.Message, maxPartialMessage)
	partial := result.Rejected > 0 || message != ""
	if asJSON {
		response := map[string]map[string]string{}
		if partial {
			success := map[string]string{}
			if result.Rejected > 0 {
				success[rejectedKeys[signal]] = strconv.Itoa(result.Rejected)
			}
			if message != "" {
				success["errorMessage"] = message
			}
			response["partialSuccess"] = success
		}
		body, err := json.Marshal(response)
		if err != nil {
			panic("BUG: encode response: " + err.Error())
		}
		return body
	}
	if !partial {
		return nil
	}
	var success []byte
	if result.Rejected > 0 {
		success = protowire.AppendTag(success, 1, protowire.VarintType)
		success = protowire.AppendVarint(success, uint64(result.Rejected))
	}
	if message != "" {
		success = protowire.AppendTag(success, 2, protowire.BytesType)
		success = protowire.AppendString(success, message)
	}
	return protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), success)
}
