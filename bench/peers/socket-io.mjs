// A chat as Socket.IO's guide has it: rooms, broadcast, nothing stored or guaranteed.
import { createServer } from 'node:http';
import { Server } from 'socket.io';

let seq = 0;
const http = createServer();
const io = new Server(http, { transports: ['websocket'] });
io.on('connection', (socket) => {
  socket.on('join', ({ username, room }) => {
    socket.data.username = username;
    socket.join(room);
    socket.emit('joined');
  });
  socket.on('message', ({ room, content, id: clientId }) => {
    seq += 1;
    const { username } = socket.data;
    const timestamp = new Date().toISOString();
    io.to(room).emit('message', {
      id: seq,
      seq,
      rev: seq,
      username,
      content,
      clientId,
      room,
      timestamp,
    });
  });
});
http.listen(0, '127.0.0.1', () => {
  const address = http.address();
  if (address && typeof address === 'object')
    console.log(`ready on http://localhost:${address.port}`);
});
