import { describe, expect, test } from 'bun:test';
import { rawSocket } from '../support/raw-socket.ts';
import { fresh, startServer } from '../support/server.ts';

const server = await startServer({ presenceGrace: 0 });
const content = 'x'.repeat(3900);

describe('slow readers (delivery rule 7)', () => {
  test('a client that stops reading is closed and resumes without loss, and the others get everything', async () => {
    const room = fresh('room');
    const ana = await server.connect();
    ana.send({ type: 'join', username: 'ana', protocol: 1, room });
    await ana.untilType('joined');
    const slow = await rawSocket(server.url);
    await slow.handshake;
    slow.send({ type: 'join', username: 'slow', protocol: 1, room });
    await ana.untilType('presence');
    slow.socket.pause();

    // Until the server has sent it away: much more than the kernel and the server keep for it.
    let sent = 0;
    let gone = false;
    const before = process.memoryUsage.rss();
    while (!gone) {
      for (let n = 0; n < 50; n++) ana.send({ type: 'message', content, id: `${sent + n}` });
      sent += 50;
      for (let acks = 0; acks < 50; ) {
        const frame = await ana.next();
        if (frame.type === 'ack') acks += 1;
        if (frame.type === 'presence' && frame.status === 'offline') gone = true;
      }
      if (sent > 20_000) throw new Error('it was never closed');
    }
    expect(process.memoryUsage.rss() - before).toBeLessThan(200 * 1024 * 1024);
    const seen = () =>
      ana.received.flatMap((frame) => (frame.type === 'message' ? [frame.seq] : []));
    while (seen().length < sent) await ana.next();
    const seqs = seen();
    expect(seqs).toEqual(Array.from({ length: sent }, (_, n) => n + 1));

    slow.socket.resume();
    expect(await slow.closeCode).toBe(4408);
    const back = await server.connect();
    const resumed: number[] = [];
    for (let since = 0, complete = false; !complete; ) {
      back.send({ type: 'join', username: 'slow', protocol: 1, room, since });
      const joined = await back.untilType('joined');
      resumed.push(...joined.messages.map(({ seq }) => seq));
      ({ rev: since, complete } = joined);
    }
    expect(resumed).toEqual(seqs);
  });

  test('a client that reads again after a while gets the code 4408', async () => {
    const room = fresh('room');
    const ana = await server.join('ana', room);
    const slow = await rawSocket(server.url);
    await slow.handshake;
    slow.send({ type: 'join', username: 'slow', room });
    await ana.until((frame) => frame.type === 'system' && frame.content === 'slow joined the chat');
    slow.socket.pause();
    let gone = false;
    for (let seq = 0; !gone; ) {
      for (let n = 0; n < 20; n++) ana.send({ type: 'message', content });
      for (let n = 0; n < 20; ) {
        const frame = await ana.next();
        if (frame.type === 'message') {
          n += 1;
          seq = frame.seq;
        }
        if (frame.type === 'system') gone = true;
      }
      if (seq > 20_000) throw new Error('it was never closed');
    }
    slow.socket.resume();
    expect(await slow.closeCode).toBe(4408);
  });
});
