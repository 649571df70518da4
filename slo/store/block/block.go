// Package block encodes rows for ClickHouse in the Native format, column by column.
package block
