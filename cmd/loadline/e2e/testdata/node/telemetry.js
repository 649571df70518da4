// The Node SDK as its documentation sets it up; where to send is in the OTEL_ variables.
'use strict';

const { NodeSDK } = require('@opentelemetry/sdk-node');
const { getNodeAutoInstrumentations } = require('@opentelemetry/auto-instrumentations-node');

globalThis.telemetry = new NodeSDK({ instrumentations: [getNodeAutoInstrumentations()] });
globalThis.telemetry.start();
