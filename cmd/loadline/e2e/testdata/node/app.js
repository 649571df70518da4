// A shop of one page, instrumented without a line of tracing code in it: telemetry.js is loaded before.
// It prints its port, and ends when its standard input does.
'use strict';

const express = require('express');
const { diag } = require('@opentelemetry/api');

const app = express();

// What the server calls is a route of its own, so that both sides of the call are traced.
app.get('/stock/:id', (req, res) => res.json({ id: req.params.id, left: 3 }));

app.get('/items/:id', async (req, res) => {
  const { port } = server.address();
  const stock = await fetch(`http://127.0.0.1:${port}/stock/${req.params.id}`);
  res.json({ id: req.params.id, stock: await stock.json() });
});

app.get('/broken/:id', (req) => {
  throw new Error(`item ${req.params.id} is broken`);
});

app.use((err, req, res, next) => res.status(500).json({ error: err.message }));

const server = app.listen(0, '127.0.0.1', () => console.log(`port ${server.address().port}`));

process.stdin.on('end', async () => {
  server.close();
  server.closeAllConnections();
  try {
    await globalThis.telemetry.shutdown(); // sends what is left
    process.exit(0);
  } catch (err) {
    diag.error('shutdown', err);
    process.exit(1);
  }
});
process.stdin.resume();
