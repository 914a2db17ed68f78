/** The minimum of a chat: Bun's own publish, the same bytes, nothing stored or guaranteed. */
let seq = 0;
const server = Bun.serve({
  port: 0,
  hostname: '127.0.0.1',
  // Every token is refused.
  fetch: (request, server) =>
    !request.url.includes('token=') && server.upgrade(request)
      ? undefined
      : new Response('', { status: 401 }),
  websocket: {
    message(ws, raw) {
      const frame = JSON.parse(raw as string);
      if (frame.type === 'join') {
        ws.subscribe(frame.room);
        ws.send('{"type":"joined"}');
        return;
      }
      seq += 1;
      const { room, content, id: clientId } = frame;
      const timestamp = new Date().toISOString();
      server.publish(
        room,
        JSON.stringify({
          type: 'message',
          id: seq,
          seq,
          rev: seq,
          username: 'member0',
          content,
          clientId,
          room,
          timestamp,
        }),
      );
    },
  },
});
console.log(`ready on http://localhost:${server.port}`);
