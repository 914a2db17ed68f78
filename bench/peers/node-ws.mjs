// A chat as the README of `ws` has it: a loop over the sockets, nothing stored or guaranteed.
import { createServer } from 'node:http';
import { WebSocket, WebSocketServer } from 'ws';

let seq = 0;
const http = createServer();
const server = new WebSocketServer({ server: http });
server.on('connection', (socket) => {
  let username = '';
  socket.on('message', (bytes) => {
    const frame = JSON.parse(String(bytes));
    if (frame.type === 'join') {
      username = frame.username;
      socket.send('{"type":"joined"}');
      return;
    }
    seq += 1;
    const { room, content, id: clientId } = frame;
    const timestamp = new Date().toISOString();
    const numbers = { id: seq, seq, rev: seq };
    const text = JSON.stringify({
      type: 'message',
      ...numbers,
      username,
      content,
      clientId,
      room,
      timestamp,
    });
    for (const client of server.clients) {
      if (client.readyState === WebSocket.OPEN) client.send(text);
    }
  });
});
http.listen(0, '127.0.0.1', () => {
  const address = http.address();
  if (address && typeof address === 'object')
    console.log(`ready on http://127.0.0.1:${address.port}`);
});
