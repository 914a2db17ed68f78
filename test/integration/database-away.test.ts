import { describe, expect } from 'bun:test';
import { serverBehindProxy } from '../support/server-behind-proxy.ts';
import { testWithPostgres } from '../support/services.ts';

describe('a database that goes away', () => {
  testWithPostgres(
    'costs an error, never the connection, and is used again when it is back',
    async () => {
      const { proxy, server } = await serverBehindProxy();
      const ana = await server.join('ana', 'room');
      ana.send({ type: 'message', content: 'before', id: '1' });
      await ana.untilType('ack');
      expect((await server.fetch('/ready')).status).toBe(200);

      proxy.cut();
      ana.send({ type: 'message', content: 'during', id: '2' });
      expect(await ana.untilType('error')).toMatchObject({
        code: 'unavailable',
        id: '2',
        retryAfter: 1,
      });
      const ready = await server.fetch('/ready');
      expect(ready.status).toBe(503);
      expect(await ready.json()).toMatchObject({ code: 'unavailable' });
      expect((await server.fetch('/health')).status).toBe(200);
      const read = await server.fetch('/messages?room=room');
      expect(read.headers.get('content-type')).toBe('application/problem+json');

      await proxy.mend();
      // Sent again with the same id, as the error says.
      for (let type = ''; type !== 'ack'; ) {
        ana.send({ type: 'message', content: 'during', id: '2' });
        type = (await ana.until(({ type }) => type === 'ack' || type === 'error')).type;
      }
      const contents = ana.received.flatMap((frame) =>
        frame.type === 'message' ? [frame.content] : [],
      );
      expect(contents).toEqual(['before', 'during']);
      expect((await server.fetch('/ready')).status).toBe(200);
    },
  );
});
