//go:build !linux

package libchdb

// signalActions is empty where the kernel's signal actions cannot be read without the C library: there the library's own
// switch (chdb_set_signal_handlers_enabled) has to do.
type signalActions struct{}

func saveSignals() signalActions { return signalActions{} }

func (signalActions) restore() {}
