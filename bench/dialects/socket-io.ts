import type { Dialect } from './dialect.ts';

/** Socket.IO: engine.io's frames, `4` and then the packet, `2` being an event. */
export const socketIo: Dialect = {
  connect: ({ name: username, room, send, joined }) => ({
    // Socket.IO's own handshake must be over before anything is sent.
    join: () => send('40'),
    message: (id, content) => `42${JSON.stringify(['message', { room, content, id }])}`,
    receive(buffer, from) {
      const kind = buffer.toString('latin1', from, from + 12);
      if (kind.startsWith('42["message"')) return 1;
      if (kind.startsWith('42["joined"')) joined();
      if (kind.startsWith('40')) send(`42${JSON.stringify(['join', { username, room }])}`);
      return 0;
    },
  }),
};
