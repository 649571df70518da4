// Package e2e tests the built program from outside: real SDKs and hand-made requests send telemetry to a running
// `loadline serve`, and what the query layer then answers is compared with what was sent. Processes are killed, disks
// filled and inputs forged here, because only the whole program can show that it survives them.
//
// Nothing here sleeps: a test waits for what it wants to see, up to a deadline.
package e2e
