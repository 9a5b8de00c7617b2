'use strict';
// Node's ways to close a connection: `node client.js WAY HOST PORT COUNT`; prints each reply.

const http = require('http');
const net = require('net');

const [way, host, port, count] = process.argv.slice(2);

// A request and its reply, after which close(socket) is called.
const exchange = (close) => new Promise((resolve, reject) => {
  let reply = '';
  const socket = net.connect(port, host, () => socket.write('hello?\n'));
  socket.on('data', (data) => { reply += data; close(socket); });
  socket.on('error', reject);
  socket.on('close', () => resolve(reply));
});

const get = () => new Promise((resolve, reject) => {
  let reply = '';
  http.get({ host, port, agent: false }, (response) => {
    response.on('data', (data) => { reply += data; });
    response.on('close', () => resolve(reply));
  }).on('error', reject);
});

const ways = {
  destroy: () => exchange((socket) => socket.destroy()),
  end: () => exchange((socket) => socket.end()),
  // The peer's end comes first: 'end' event, and Node closes by itself.
  eof: () => exchange(() => {}),
  http: get,
};

(async () => {
  for (let i = 0; i < count; i++) console.log(await ways[way]());
})();
