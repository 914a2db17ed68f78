/**
 * Sends the same messages to every client that connects, as fast as possible, in the protocol of its client
 * library: ours, socket.io-client's or centrifuge-js's. Each frame holds one message.
 */
const [, , count = '1'] = process.argv;

interface Socket {
  send(text: string): unknown;
}

const message = (n: number) => ({
  id: n,
  room: 'bench',
  seq: n,
  rev: n,
  userId: 1,
  username: 'ben',
  content: `This is message ${n} of a busy room.`,
  createdAt: '2026-01-01T00:00:00.000Z',
});

function replay(socket: Socket, frameOf: (n: number) => string): void {
  for (let n = 1; n <= Number(count); n++) socket.send(frameOf(n));
}

function answerOurs(socket: Socket, text: string): void {
  const { type, id, sentAt } = JSON.parse(text);
  if (type === 'ping') socket.send(JSON.stringify({ type: 'pong', sentAt, timestamp: '' }));
  if (type !== 'join') return;
  const place = { room: 'bench', username: 'ana', rev: 0, epoch: 'bench' };
  const page = { messages: [], complete: true, reset: false };
  const people = { unread: 0, lastRead: 0, users: ['ana'], userCount: 1 };
  socket.send(JSON.stringify({ type: 'joined', id, ...place, ...page, ...people }));
  replay(socket, (n) => JSON.stringify({ type: 'message', ...message(n) }));
}

function answerSocketIo(socket: Socket, text: string): void {
  if (!text.startsWith('40')) return;
  socket.send('40{"sid":"bench"}');
  replay(socket, (n) => `42${JSON.stringify(['message', message(n)])}`);
}

function answerCentrifuge(socket: Socket, text: string): void {
  for (const line of text.split('\n')) {
    const { id, connect, subscribe } = JSON.parse(line);
    if (connect) socket.send(JSON.stringify({ id, connect: { client: 'bench', version: '0' } }));
    if (!subscribe) continue;
    socket.send(JSON.stringify({ id, subscribe: {} }));
    replay(socket, (n) =>
      JSON.stringify({ push: { channel: 'bench', pub: { data: message(n) } } }),
    );
  }
}

const server = Bun.serve<{ path: string }>({
  port: 0,
  hostname: '127.0.0.1',
  fetch: (request, server) => {
    const { pathname: path } = new URL(request.url);
    return server.upgrade(request, { data: { path } })
      ? undefined
      : new Response(null, { status: 404 });
  },
  websocket: {
    backpressureLimit: 1024 ** 3,
    open(socket) {
      if (!socket.data.path.startsWith('/socket.io')) return;
      const times = { pingInterval: 25_000, pingTimeout: 20_000 };
      socket.send(`0${JSON.stringify({ sid: 'bench', upgrades: [], ...times, maxPayload: 1e6 })}`);
    },
    message(socket, text) {
      const { path } = socket.data;
      if (path.startsWith('/socket.io')) answerSocketIo(socket, `${text}`);
      else if (path.startsWith('/ws')) answerOurs(socket, `${text}`);
      else answerCentrifuge(socket, `${text}`);
    },
  },
});
console.log(`http://127.0.0.1:${server.port}`);
