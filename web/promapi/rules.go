package promapi

// RuleGroup is a group of rules.
type RuleGroup struct{}
