import type { Dialect } from './dialect.ts';

/** Socket.IO: engine.io's frames, `4` and then the packet, `2` being an event. */
export const socketIo: Dialect = {
  speak: ({ name: username, room, send, joined }) => ({
    // It has a handshake of its own, which must be over before anything is sent.
    join: () => send('40'),
    message: (id, content) => `42${JSON.stringify(['message', { room, content, id }])}`,
    hear(buffer, from) {
      const kind = buffer.toString('latin1', from, from + 12);
      if (kind.startsWith('42["message"')) return 1;
      if (kind.startsWith('42["joined"')) joined();
      if (kind.startsWith('40')) send(`42${JSON.stringify(['join', { username, room }])}`);
      return 0;
    },
  }),
};
